"""BG/NBD: the probability that a customer is still alive, from order count, recency and age alone.

Fader, Hardie, Lee (2005), "Counting your customers the easy way: an alternative to the Pareto/NBD model",
Marketing Science 24(2), equations 6 and 7; P(alive) after Fader, Hardie (2008), "Computing P(alive) using the
BG/NBD model".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class BgNbd:
    """Fitted parameters: purchase rates are Gamma(r, alpha), drop-out probabilities after a purchase are Beta(a, b)."""

    r: float
    alpha: float
    a: float
    b: float

    def dead_log_odds(self, x: FloatArray, t_x: FloatArray, T: FloatArray) -> FloatArray:
        """Return the log-odds of having dropped out, ``log(a / (b + x - 1) ((alpha + T) / (alpha + t_x)) ** (r + x))``.

        A customer without repeat purchase cannot have dropped out in this model, which would rank all of them as
        safest; ``x = 0`` is therefore evaluated at ``b + x`` instead of ``b + x - 1``, so that silence still counts.

        Examples
        --------
        >>> model = BgNbd(r=0.243, alpha=4.414, a=0.793, b=2.426)
        >>> odds = model.dead_log_odds(np.array([2.0]), np.array([30.43]), np.array([38.86]))
        >>> float(np.round(1 / (1 + np.exp(odds)), 4)[0])
        0.7266
        """
        with np.errstate(over="ignore"):
            return np.asarray(
                np.log(self.a)
                - np.log(self.b + np.where(x > 0, x - 1.0, 0.0))
                + (self.r + x) * (np.log(self.alpha + T) - np.log(self.alpha + t_x)),
                dtype=np.float64,
            )

    def p_alive(self, x: FloatArray, t_x: FloatArray, T: FloatArray) -> FloatArray:
        """Return P(alive | x, t_x, T); 1 for customers without a repeat purchase, as in the paper."""
        odds = self.dead_log_odds(x, t_x, T)
        return np.where(x > 0, 0.5 * (1.0 - np.tanh(0.5 * odds)), 1.0)


def bgnbd_log_likelihood(model: BgNbd, x: FloatArray, t_x: FloatArray, T: FloatArray) -> float:
    """Return the log-likelihood of repeat counts `x`, last repeat times `t_x` and ages `T` (any one unit of time).

    Examples
    --------
    >>> one = np.array([0.0]), np.array([0.0]), np.array([10.0])
    >>> round(bgnbd_log_likelihood(BgNbd(1.0, 10.0, 1.0, 1.0), *one), 6)  # (alpha / (alpha + T)) ** r
    -0.693147
    """
    log_parameters = np.log([model.r, model.alpha, model.a, model.b])
    return float(_log_likelihood(log_parameters, _counted(x), t_x, T).sum())


_Counted = tuple[FloatArray, FloatArray, NDArray[np.int64]]


def _counted(x: FloatArray) -> _Counted:
    """Return repeat counts, the distinct ones, and which of these each is.

    There are few distinct ones, and the gamma functions of a fit depend on nothing else: they took most of its time.
    """
    levels, at = np.unique(x, return_inverse=True)
    return x, levels, at


def _log_likelihood(log_parameters: FloatArray, counted: _Counted, t_x: FloatArray, T: FloatArray) -> FloatArray:
    from scipy.special import betaln, gammaln

    r, alpha, a, b = np.exp(log_parameters)
    x, levels, at = counted
    front = gammaln(r + levels) - gammaln(r) + r * np.log(alpha)
    alive = betaln(a, b + levels) - betaln(a, b)
    dead = betaln(a + 1.0, b + np.maximum(levels, 1.0) - 1.0) - betaln(a, b)
    lived = alive[at] - (r + x) * np.log(alpha + T)
    died = dead[at] - (r + x) * np.log(alpha + t_x)
    return np.asarray(front[at] + np.where(x > 0, np.logaddexp(lived, died), lived), dtype=np.float64)


def fit_bgnbd(x: FloatArray, t_x: FloatArray, T: FloatArray) -> BgNbd:
    """Fit by maximum likelihood on the logs of the parameters.

    Time is scaled by the mean age while fitting, so days and weeks give the same model.

    Parameters
    ----------
    x, t_x, T : numpy.ndarray of float
        Repeat purchases, time of the last one, time since the first purchase; ``0 <= t_x <= T``.

    Examples
    --------
    >>> rng = np.random.default_rng(3)
    >>> rate, drop, T = rng.gamma(2.0, 0.05, 3000), rng.beta(1.5, 4.0, 3000), np.full(3000, 52.0)
    >>> x, t_x = np.zeros(3000), np.zeros(3000)
    >>> for i in range(3000):
    ...     t = rng.exponential(1 / rate[i])
    ...     while t < 52.0:
    ...         x[i], t_x[i] = x[i] + 1, t
    ...         if rng.random() < drop[i]:
    ...             break
    ...         t += rng.exponential(1 / rate[i])
    >>> model = fit_bgnbd(x, t_x, T)
    >>> abs(model.r / model.alpha - 0.1) < 0.01
    True
    """
    from scipy.optimize import minimize

    unit = float(T.mean()) / 30.0 if T.size and T.mean() > 0 else 1.0
    table, counts = np.unique(np.column_stack([x, t_x, T]), axis=0, return_counts=True)
    xs, ts, ages = _counted(table[:, 0]), table[:, 1] / unit, table[:, 2] / unit

    def loss(log_parameters: FloatArray) -> float:
        with np.errstate(all="ignore"):
            value = -float((counts * _log_likelihood(log_parameters, xs, ts, ages)).sum()) / len(x)
        # a weak pull towards 1 keeps the parameters finite where the data do not determine them
        return value + 1e-6 * float((log_parameters**2).sum()) if np.isfinite(value) else 1e10

    options = {"maxiter": 2000, "xatol": 1e-6, "fatol": 1e-10}
    starts = (np.zeros(4), np.array([-1.0, 1.5, 0.0, 1.0]))
    best = minimize(loss, starts[0], method="Nelder-Mead", options=options)
    if not best.success:
        second = minimize(loss, starts[1], method="Nelder-Mead", options=options)
        best = min(best, second, key=lambda result: float(result.fun))
    r, alpha, a, b = (float(v) for v in np.exp(np.clip(best.x, -20, 20)))
    return BgNbd(r, alpha * unit, a, b)
