"""Faults in settings and files, each with the check that must report it and part of its finding.

Used without a container engine by tests/integration/preflight, and with one by tests/containers.
"""

PROXY = "proxy/dynamic/site.yml"
COMPOSE = "docker-compose.yml"
MAILER_PASSWORD = "mailer-0123456789abcdef"


def _service(name: str) -> str:
    """Match the first line of a service in the compose file."""
    return rf"(?m)^  {name}:\n"


# check, service, its settings, part of the finding
WRONG_SETTINGS: list[tuple[str, str, dict[str, str], str]] = [
    ("config.complete", "api", {"DB_PORT": "x"}, "DB_PORT"),
    ("config.complete", "mailer", {"PUBLIC_URL": ""}, "PUBLIC_URL"),
    ("config.complete", "api", {"PUBLIC_URL": "http://site.example"}, "production needs https"),
    ("config.complete", "mailer", {"SMTP_SECURITY": "maybe"}, "SMTP_SECURITY"),
    ("config.complete", "api", {"DB_PASSWORD": "", "DB_PASSWORD_FILE": "/nowhere"}, "cannot be"),
    ("config.secrets", "api", {"DB_PASSWORD": ""}, "DB_PASSWORD of api is empty"),
    ("config.secrets", "mailer", {"DB_PASSWORD": "changeme"}, "DB_PASSWORD of mailer is a well"),
    ("config.secrets", "api", {"DB_PASSWORD": "short-one"}, "fewer than 12"),
    ("config.secrets", "api", {"REDIS_URL": "redis://127.0.0.1/0"}, "REDIS_URL's password"),
    (
        "config.secrets",
        "api",
        {"DB_PASSWORD": MAILER_PASSWORD},
        "is also the password of sysndd_api",
    ),
    ("config.token_key", "mailer", {"TOKEN_KEY": "another-0123456789abcdef01"}, "different"),
    ("config.token_key", "api", {"TOKEN_KEY": ""}, "not set for both"),
    ("config.same_schemas", "mailer", {"OPS_DB_NAME": "other_ops"}, "different schemas"),
    ("config.trusted_proxies", "api", {"TRUSTED_PROXIES": "0.0.0.0/0"}, "0.0.0.0/0"),
    ("config.trusted_proxies", "api", {"TRUSTED_PROXIES": "*"}, "not an address or network"),
    ("config.trusted_proxies", "api", {"TRUSTED_PROXIES": "198.0.0.0/8"}, "198.0.0.0/8"),
    ("timeouts.order", "api", {"DB_POOL_TIMEOUT": "20"}, "DB_POOL_TIMEOUT 20 s"),
    ("timeouts.order", "api", {"DB_STATEMENT_TIMEOUT": "90"}, "DB_STATEMENT_TIMEOUT 90 s"),
]

# check, file, pattern, replacement, part of the finding
WRONG_FILES = [
    ("timeouts.order", PROXY, r"idleConnTimeout: 60s", "idleConnTimeout: 100s", "idleConnTimeout"),
    ("timeouts.order", PROXY, r"responseHeaderTimeout: 60s", "responseHeaderTimeout: 5s", "5 s"),
    ("compose.files", COMPOSE, r"(?m)^services:", "services: [", "docker-compose.yml"),
    ("compose.files", COMPOSE, _service("redis"), "  cache:\n", "redis"),
    (
        "compose.confinement",
        COMPOSE,
        _service("api"),
        "  api:\n    privileged: true\n",
        "api: privileged",
    ),
    (
        "compose.confinement",
        COMPOSE,
        r"- \./proxy:/etc/traefik:ro",
        "- /var/run/docker.sock:/var/run/docker.sock",
        "traefik: the engine's socket",
    ),
    ("compose.confinement", COMPOSE, r"cap_drop: \[ALL\]", "cap_drop: []", "cap_drop ALL"),
    ("compose.confinement", COMPOSE, r"read_only: true", "read_only: false", "read_only"),
    ("compose.confinement", COMPOSE, r"no-new-privileges:true", "label:x", "no-new-privileges"),
    ("compose.confinement", COMPOSE, _service("db"), "  db:\n    pid: host\n", "db: pid: host"),
    ("compose.limits", COMPOSE, r", pids: 1000", "", "db: there is no limit on pids"),
    ("compose.limits", COMPOSE, r"max-size: 10m, ", "", "never rotated"),
    (
        "compose.images",
        COMPOSE,
        r"mariadb:11\.8\}",
        "mariadb:latest}",
        "db: the image mariadb has no fixed version",
    ),
    (
        "compose.images",
        COMPOSE,
        r"traefik:v[\d.]+\}",
        "traefik}",
        "the image traefik has no fixed version",
    ),
    (
        "compose.published",
        COMPOSE,
        _service("db"),
        '  db:\n    ports: ["3306:3306"]\n',
        "db: it publishes ports",
    ),
    (
        "compose.secrets",
        COMPOSE,
        r"DB_USER: sysndd_api",
        "DB_PASSWORD: plaintext",
        "api: DB_PASSWORD is set in its environment",
    ),
    (
        "compose.order",
        COMPOSE,
        r"migrator: \{condition: service_completed_successfully\}",
        "migrator: {condition: service_started}",
        "api: it does not wait",
    ),
    ("compose.order", COMPOSE, r"stop_grace_period: 40s", "stop_grace_period: 10s", "10 s"),
    ("compose.networks", COMPOSE, r"(?m)^    internal: true\n", "    internal: false\n", "data"),
    (
        "images.unprivileged",
        "services/api/Dockerfile",
        r"(?m)^USER .*$",
        "USER root",
        "services/api/Dockerfile runs as root",
    ),
    (
        "images.lint",
        "services/api/Dockerfile",
        r"\Z",
        "\nRUN apt-get install curl\n",
        "services/api/Dockerfile",
    ),
]

# pattern in the file of the proxy, replacement, part of the finding of `proxy.files`
WRONG_PROXIES = [
    (
        r"PathRegexp\(`\^/\(api\|admin\|account\)\(/\|\$\)`\)'\n      priority: 10",
        "PathPrefix(`/`)'\n      priority: 10",
        "is answered with 50",
    ),
    (r"middlewares:\n    security-headers:", "middlewares:\n    other-headers:", "not routed"),
    (r"routers:", "routers: [", "not routed"),
]
