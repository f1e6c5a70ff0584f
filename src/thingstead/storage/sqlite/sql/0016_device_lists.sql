-- Devices are listed by name too, and found by their description. search_form is that of model/unicode_text.py.

CREATE INDEX devices_by_name ON devices (project_id, name, id);
UPDATE devices SET search_text = search_form(
    name || char(10) || coalesce(device_key, '') || char(10) || id || char(10) || descr
) WHERE descr <> '';
