-- What was known at each cutoff, concept by concept, straight from the definitions: slow and plain on purpose.
-- Given: the canonical tables, and `cutoffs` (c, and c_N = c minus N calendar days). The connection's zone is the firm's, so
-- t::DATE is a local day. Amounts are whole numbers of 1/10,000.

CREATE MACRO euros(x) AS x::DOUBLE / 10000;
CREATE MACRO over(a, b) AS CASE WHEN b > 0 THEN a / b END;

-- orders

CREATE TEMP VIEW visible_lines AS
SELECT c, customer_id, order_id, ordered_at AS t, net_amount, product_id, cost_amount, list_amount
FROM cutoffs JOIN order_lines ON ordered_at < c AND coalesce(known_at, ordered_at) < c
QUALIFY row_number() OVER (PARTITION BY c, order_id, line_no ORDER BY coalesce(known_at, ordered_at) DESC) = 1;

CREATE TEMP VIEW orders AS
SELECT c, customer_id, order_id, min(t) AS t, sum(net_amount) AS net_amount
FROM visible_lines GROUP BY c, customer_id, order_id;

CREATE TEMP VIEW purchases AS
SELECT c, customer_id, t, t::DATE AS day, net_amount FROM orders WHERE net_amount > 0;

CREATE TEMP VIEW purchase_days AS
SELECT c, customer_id, day, min(t) AS t FROM purchases GROUP BY c, customer_id, day;

CREATE TEMP VIEW order_gaps AS
SELECT c, customer_id, t, day - lag(day) OVER (PARTITION BY c, customer_id ORDER BY day) AS gap_days
FROM purchase_days QUALIFY gap_days IS NOT NULL;

-- invoices and payments

CREATE TEMP VIEW visible_invoices AS
SELECT
  c, customer_id, invoice_id, issued_at AS t, amount,
  CASE WHEN due_at < c THEN due_at END AS due_at,
  CASE WHEN disputed_at < c THEN disputed_at END AS disputed_at
FROM cutoffs JOIN invoices ON issued_at < c AND coalesce(known_at, issued_at) < c
QUALIFY row_number() OVER (PARTITION BY c, invoice_id ORDER BY coalesce(known_at, issued_at) DESC) = 1;

CREATE TEMP VIEW newest_payments AS
SELECT c, payment_id, invoice_id, paid_at, amount
FROM cutoffs JOIN payments ON paid_at < c AND coalesce(known_at, paid_at) < c
QUALIFY row_number() OVER (PARTITION BY c, payment_id ORDER BY coalesce(known_at, paid_at) DESC) = 1;

CREATE TEMP VIEW visible_payments AS
SELECT c, customer_id, invoice_id, paid_at AS t, p.amount, p.amount > 0 AND p.amount < i.amount AS is_part
FROM newest_payments p JOIN visible_invoices i USING (c, invoice_id);

CREATE TEMP VIEW disputes AS
SELECT c, customer_id, disputed_at, disputed_at AS t FROM visible_invoices WHERE disputed_at IS NOT NULL;

CREATE TEMP VIEW invoice_state AS
SELECT i.*, coalesce((SELECT sum(p.amount) FROM visible_payments p WHERE p.c = i.c AND p.invoice_id = i.invoice_id), 0) AS paid
FROM visible_invoices i WHERE i.amount > 0;

CREATE TEMP VIEW open_invoices AS
SELECT *, amount - paid AS open_amount FROM invoice_state WHERE paid < amount;

CREATE TEMP VIEW overdue_invoices AS
SELECT c, customer_id, due_at AS t, open_amount FROM open_invoices WHERE due_at IS NOT NULL;

CREATE TEMP VIEW paid_so_far AS
SELECT DISTINCT c, invoice_id, t, sum(amount) OVER (PARTITION BY c, invoice_id ORDER BY t) AS running FROM visible_payments;

CREATE TEMP VIEW settlements AS
SELECT c, customer_id, min(s.t) AS t, min(s.t)::DATE - due_at::DATE AS days_late
FROM invoice_state i JOIN paid_so_far s USING (c, invoice_id)
WHERE paid >= amount AND running >= amount
GROUP BY c, invoice_id, customer_id, due_at;

-- interactions and surveys

CREATE TEMP VIEW visible_interactions AS
SELECT
  c, customer_id, occurred_at AS t, channel, direction, topic,
  CASE WHEN responded_at < c THEN responded_at END AS responded_at,
  CASE WHEN resolved_at < c THEN resolved_at END AS resolved_at
FROM cutoffs JOIN interactions ON occurred_at < c AND coalesce(known_at, occurred_at) < c
QUALIFY row_number() OVER (PARTITION BY c, interaction_id ORDER BY coalesce(known_at, occurred_at) DESC) = 1;

CREATE TEMP VIEW contact_gaps AS
SELECT c, customer_id, day - lag(day) OVER (PARTITION BY c, customer_id ORDER BY day) AS gap_days, day AS t
FROM (SELECT DISTINCT c, customer_id, t::DATE AS day FROM visible_interactions) QUALIFY gap_days IS NOT NULL;

CREATE TEMP VIEW visible_surveys AS
SELECT c, customer_id, answered_at AS t, kind, score
FROM cutoffs JOIN surveys ON answered_at < c AND coalesce(known_at, answered_at) < c
QUALIFY row_number() OVER (PARTITION BY c, survey_id ORDER BY coalesce(known_at, answered_at) DESC) = 1;

-- customers

CREATE TEMP VIEW visible_customers AS
SELECT
  cutoffs.c, customers.* REPLACE (
    CASE WHEN customer_since < c THEN customer_since END AS customer_since,
    CASE WHEN status_from IS NULL OR status_from < c THEN status ELSE 'active' END AS status
  )
FROM cutoffs, customers;
