"""Options that several commands share, and the configuration that they make."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from thingstead import config as configuration
from thingstead import log
from thingstead.config import CONFIG_VARIABLE, SETTINGS, Config
from thingstead.errors import ConfigError

F = TypeVar("F", bound=Callable[..., Any])


def config_option(command: F) -> F:
    """Adds ``--config FILE``, which the command gets as ``file``."""
    return click.option(
        "--config",
        "file",
        type=click.Path(path_type=Path),
        envvar=CONFIG_VARIABLE,
        show_envvar=True,
        help="The TOML configuration file.",
    )(command)


def setting_option(name: str, metavar: str) -> Callable[[F], F]:
    """Adds the flag of a setting at the root of the configuration, with the setting's description. Default: None."""
    setting = SETTINGS[name]
    default = f"default: {setting.default}; " if setting.default else ""
    return click.option(
        f"--{name.replace('_', '-')}",
        name,
        metavar=metavar,
        help=f"{setting.description.replace('`', '')}  [{default}variable: {setting.variable}]",
    )


def data_options(command: F) -> F:
    """Adds ``--data-dir D`` and ``--database URL``."""
    return setting_option("data_dir", "D")(setting_option("database", "URL")(command))


def refuse_database(config: Config, command: str, instead: str) -> None:
    """Raises ConfigError if the command line or the configuration names a database, with which a command cannot
    work."""
    if config.database:
        raise ConfigError(f"thingstead {command} works on a data folder, not on a database: {instead}")


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def load_config(file: Path | None, **flags: Any) -> Config:
    """Loads the configuration of this call.

    Raises:
        ConfigError: names the setting and where it was set.
    """
    return configuration.load(file, os.environ, flags)


def command_config(file: Path | None, **flags: Any) -> Config:
    """Loads the configuration for a command that ends by itself: only warnings are logged, so that its output is not
    mixed with log lines."""
    config = load_config(file, **flags)
    log.configure("error" if config.log_level == "error" else "warning", config.log_format)
    return config
