"""Cloud functions in JavaScript: worker processes, what a function may use, its limits, and when it is switched off."""
