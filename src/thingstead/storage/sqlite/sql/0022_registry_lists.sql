-- Customers and device types are found by a keyword and listed by name. search_form is that of model/unicode_text.py.

ALTER TABLE customers ADD COLUMN search_text TEXT NOT NULL DEFAULT '';
UPDATE customers SET search_text = search_form(
    name || char(10) || account || char(10) || id || char(10) || email || char(10) || mobile || char(10) || descr
);
CREATE INDEX customers_by_name ON customers (project_id, name, id);

ALTER TABLE device_types ADD COLUMN search_text TEXT NOT NULL DEFAULT '';
UPDATE device_types SET search_text = search_form(name || char(10) || id || char(10) || descr);
CREATE INDEX device_types_by_name ON device_types (project_id, name, id);
