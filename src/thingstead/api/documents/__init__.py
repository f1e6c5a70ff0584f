"""The documentation that the server serves: the OpenAPI document, and the pages below ``/docs``."""
