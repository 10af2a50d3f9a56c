-- More concepts, for the features that are off by default; on top of `oracle.sql`, by the same plain definitions.
-- Given besides: `who` (c, customer_id), every row that is asked for once.

CREATE TEMP VIEW sold_lines AS
SELECT
  c, customer_id, order_id, ordered_at AS t, net_amount, product_id, quantity, cost_amount, list_amount,
  CASE WHEN delivery_at < c THEN delivery_at END AS delivery_at
FROM cutoffs JOIN order_lines ON ordered_at < c AND coalesce(known_at, ordered_at) < c
QUALIFY row_number() OVER (PARTITION BY c, order_id, line_no ORDER BY coalesce(known_at, ordered_at) DESC) = 1
  AND net_amount >= 0;

CREATE TEMP VIEW lines_per_order AS
SELECT c, customer_id, min(t) AS t, count(t) AS lines, sum(net_amount) AS net_amount
FROM visible_lines GROUP BY c, customer_id, order_id HAVING sum(net_amount) > 0;

CREATE TEMP VIEW weekday_counts AS
SELECT c, customer_id, isodow(day) AS weekday, count(t) FILTER (t >= c_365) AS n_365
FROM purchases JOIN cutoffs USING (c) GROUP BY ALL;

CREATE TEMP VIEW third_counts AS
SELECT c, customer_id, least((day(day) - 1) // 10, 2) AS third, count(t) FILTER (t >= c_365) AS n_365
FROM purchases JOIN cutoffs USING (c) GROUP BY ALL;

-- goods

CREATE TEMP VIEW product_sums AS
SELECT
  c, customer_id, product_id,
  sum(net_amount) FILTER (t >= c_90) AS s_90, sum(net_amount) FILTER (t >= c_365) AS s_365
FROM sold_lines JOIN cutoffs USING (c) WHERE product_id IS NOT NULL GROUP BY ALL;

CREATE TEMP VIEW category_lines AS
SELECT c, customer_id, t, net_amount, category
FROM sold_lines JOIN products USING (product_id) WHERE category IS NOT NULL;

CREATE TEMP VIEW category_sums AS
SELECT
  c, customer_id, category,
  sum(net_amount) FILTER (t >= c_90) AS s_90, sum(net_amount) FILTER (t >= c_365) AS s_365
FROM category_lines JOIN cutoffs USING (c) GROUP BY ALL;

CREATE TEMP VIEW deliveries AS
SELECT c, customer_id, delivery_at AS t, net_amount, delivery_at::DATE - t::DATE AS days
FROM sold_lines WHERE delivery_at IS NOT NULL;

CREATE TEMP VIEW undelivered AS
SELECT c, customer_id, t, net_amount FROM sold_lines WHERE delivery_at IS NULL;

-- contracts

CREATE TEMP VIEW visible_contracts AS
SELECT
  c, customer_id, starts_at AS t, monthly_value,
  CASE WHEN ends_at < c THEN ends_at END AS ended_at,
  CASE WHEN cancelled_at < c THEN cancelled_at END AS cancelled_at
FROM cutoffs JOIN contracts ON starts_at < c AND coalesce(known_at, starts_at) < c
QUALIFY row_number() OVER (PARTITION BY c, contract_id ORDER BY coalesce(known_at, starts_at) DESC) = 1;

CREATE TEMP VIEW cancellations AS
SELECT c, customer_id, cancelled_at AS t FROM visible_contracts WHERE cancelled_at IS NOT NULL;

CREATE TEMP VIEW contract_ends AS
SELECT c, customer_id, ended_at AS t FROM visible_contracts WHERE ended_at IS NOT NULL;

-- persons of both sides

CREATE TEMP VIEW contacts AS
SELECT
  c, customer_id, occurred_at AS t, channel, direction, topic, contact_id, employee_id,
  CASE WHEN responded_at < c THEN responded_at END AS responded_at,
  CASE WHEN resolved_at < c THEN resolved_at END AS resolved_at
FROM cutoffs JOIN interactions ON occurred_at < c AND coalesce(known_at, occurred_at) < c
QUALIFY row_number() OVER (PARTITION BY c, interaction_id ORDER BY coalesce(known_at, occurred_at) DESC) = 1;

CREATE TEMP VIEW person_counts AS
SELECT c, customer_id, contact_id, count(t) FILTER (t >= c_365) AS n_365
FROM contacts JOIN cutoffs USING (c) WHERE contact_id IS NOT NULL GROUP BY ALL;

-- pools: who belongs together, and the lines of all of them

CREATE TEMP VIEW firm_lines AS
SELECT who.c, who.customer_id, l.customer_id AS buyer, t, net_amount, 'firm' AS pool
FROM who LEFT JOIN visible_lines l ON l.c = who.c;

CREATE TEMP VIEW everybody AS
SELECT c, customer_id FROM cutoffs, (
  SELECT customer_id FROM order_lines UNION SELECT customer_id FROM customers UNION SELECT customer_id FROM who
);

CREATE TEMP VIEW pools AS
SELECT
  e.c, e.customer_id,
  coalesce(CASE WHEN parent_since IS NULL OR parent_since < e.c THEN parent_id END, e.customer_id) AS family,
  CASE WHEN industry_since IS NULL OR industry_since < e.c THEN industry END AS industry,
  CASE
    WHEN employees < 10 THEN 'micro' WHEN employees < 50 THEN 'small' WHEN employees < 250 THEN 'medium'
    WHEN employees >= 250 THEN 'large'
  END AS size_class
FROM everybody e LEFT JOIN customers USING (customer_id) LEFT JOIN known_from USING (customer_id);

CREATE TEMP VIEW family_lines AS
SELECT w.c, w.customer_id, o.customer_id AS buyer, l.t, l.net_amount, w.family AS pool
FROM pools w LEFT JOIN pools o ON o.c = w.c AND o.family = w.family
LEFT JOIN visible_lines l ON l.c = w.c AND l.customer_id = o.customer_id;

CREATE TEMP VIEW industry_lines AS
SELECT w.c, w.customer_id, o.customer_id AS buyer, l.t, l.net_amount, w.industry AS pool
FROM pools w LEFT JOIN pools o ON o.c = w.c AND o.industry = w.industry
LEFT JOIN visible_lines l ON l.c = w.c AND l.customer_id = o.customer_id;

CREATE TEMP VIEW size_lines AS
SELECT w.c, w.customer_id, o.customer_id AS buyer, l.t, l.net_amount, w.size_class AS pool
FROM pools w LEFT JOIN pools o ON o.c = w.c AND o.size_class = w.size_class
LEFT JOIN visible_lines l ON l.c = w.c AND l.customer_id = o.customer_id;
