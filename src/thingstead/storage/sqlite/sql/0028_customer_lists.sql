-- Customers are searched and paged in an index alone, without touching the rows.
DROP INDEX customers_in_order;
CREATE INDEX customers_in_order ON customers (project_id, create_time, id, search_text);
DROP INDEX customers_by_name;
CREATE INDEX customers_by_name ON customers (project_id, name, id, search_text);
