"""The project that an AccessToken belongs to (项目信息), and the keys of its planes."""

import msgspec

from thingstead.api.endpoint import Access, Call, Endpoint


class ProjectInfo(msgspec.Struct, frozen=True, kw_only=True):
    """The project."""

    id: str
    name: str
    descr: str
    tags: dict[str, str]


class ConnectionInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What the devices and the subscribers of the project are configured with, without secrets."""

    project_key: str  # ProjectKey: half of every device certificate
    view_key: str  # ProjectViewKey: user name and topic prefix of the MQTT application subscription


class ViewCredentials(msgspec.Struct, frozen=True, kw_only=True):
    """The credentials of the MQTT application subscription. The secret is shown this once and never again."""

    view_key: str
    view_secret: str


async def read_project(call: Call) -> ProjectInfo:
    """The project of the AccessToken."""
    project = await call.platform.projects.get(call.caller.project_id)
    return ProjectInfo(id=project.id, name=project.name, descr=project.descr, tags=project.tags)


async def read_connection_info(call: Call) -> ConnectionInfo:
    """Without the ProjectViewSecret, which is not kept; a lost one is reset."""
    project = await call.platform.projects.get(call.caller.project_id)
    return ConnectionInfo(project_key=project.project_key, view_key=project.view_key)


async def reset_view_secret(call: Call) -> ViewCredentials:
    """Draws a new ProjectViewSecret. The old one opens nothing any more."""
    view_key, view_secret = await call.platform.projects.reset_view_secret(call.caller.project_id)
    return ViewCredentials(view_key=view_key, view_secret=view_secret)


ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint(
        method="GET",
        path="/api/v1/project",
        summary="Read the project",
        handler=read_project,
        tag="Project",
        info=ProjectInfo,
    ),
    Endpoint(
        method="GET",
        path="/api/v1/project/connection_info",
        summary="Read the keys of the project's planes",
        handler=read_connection_info,
        tag="Project",
        info=ConnectionInfo,
        confidential=True,
        access=Access.ADMINISTRATOR,
        extension=True,
    ),
    Endpoint(
        method="POST",
        path="/api/v1/project/view_secret_reset",
        summary="Reset the secret of the application subscription",
        handler=reset_view_secret,
        tag="Project",
        info=ViewCredentials,
        confidential=True,
        access=Access.ADMINISTRATOR,
        extension=True,
    ),
)
