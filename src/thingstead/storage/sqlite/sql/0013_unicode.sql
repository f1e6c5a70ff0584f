-- One spelling for what looks the same. trimmed_key, normal, search_form and account_key are those of
-- model/unicode_text.py. A device whose key would meet another one keeps its own, and is found by it as it is.
UPDATE OR IGNORE devices SET device_key = trimmed_key(device_key)
WHERE device_key IS NOT NULL AND trimmed_key(device_key) NOT IN (device_key, '');
UPDATE devices SET tags = normal(tags) WHERE tags <> normal(tags);
UPDATE devices SET search_text = search_form(name || char(10) || coalesce(device_key, '') || char(10) || id);

ALTER TABLE administrators ADD COLUMN account_key TEXT NOT NULL DEFAULT '';
UPDATE administrators SET account_key = account_key(account);
CREATE INDEX administrators_by_account ON administrators (project_id, account_key);

ALTER TABLE customers ADD COLUMN account_key TEXT NOT NULL DEFAULT '';
UPDATE customers SET account_key = account_key(account);
CREATE INDEX customers_by_account ON customers (project_id, account_key);
