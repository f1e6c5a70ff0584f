"""The project that an AccessToken belongs to (项目信息)."""

import msgspec

from thingstead.api.endpoint import Call, Endpoint


class ProjectInfo(msgspec.Struct, frozen=True, kw_only=True):
    """The project."""

    id: str
    name: str
    descr: str
    tags: dict[str, str]


async def read_project(call: Call) -> ProjectInfo:
    """The project of the AccessToken."""
    project = await call.platform.projects.get(call.caller.project_id)
    return ProjectInfo(id=project.id, name=project.name, descr=project.descr, tags=project.tags)


ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint(
        method="GET",
        path="/api/v1/project",
        summary="Read the project",
        handler=read_project,
        tag="Project",
        info=ProjectInfo,
    ),
)
