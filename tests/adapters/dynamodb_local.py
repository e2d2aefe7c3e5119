"""Start Amazon's DynamoDB Local, bound to 127.0.0.1, for the tests that run against it.

ECLAIR_DYNAMODB_LOCAL names an endpoint that is running; else ECLAIR_DYNAMODB_LOCAL_JAR names the folder that holds
DynamoDBLocal.jar (`npm pack amplify-dynamodb-simulator` brings it, in `package/emulator`), and a Java runtime with its
compiler must be there. The server itself listens on all interfaces and has no option for it: a class of twenty lines
starts it and binds its connector.
"""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

ENDPOINT = "ECLAIR_DYNAMODB_LOCAL"
FOLDER = "ECLAIR_DYNAMODB_LOCAL_JAR"

LAUNCHER = """
import com.amazonaws.services.dynamodbv2.local.main.ServerRunner;
import com.amazonaws.services.dynamodbv2.local.server.DynamoDBProxyServer;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;

public class BoundLocally {
    public static void main(String[] arguments) throws Exception {
        DynamoDBProxyServer proxy = ServerRunner.createServerFromCommandLineArgs(arguments);
        for (Class<?> type = proxy.getClass(); type != null; type = type.getSuperclass())
            for (java.lang.reflect.Field field : type.getDeclaredFields())
                if (Server.class.isAssignableFrom(field.getType())) {
                    field.setAccessible(true);
                    Server server = (Server) field.get(proxy);
                    for (org.eclipse.jetty.server.Connector connector : server.getConnectors())
                        ((ServerConnector) connector).setHost("127.0.0.1");
                }
        proxy.start();
        System.out.println("started");
        proxy.join();
    }
}
"""


def absence() -> str | None:
    """Say why there is no DynamoDB Local to be had, None where there is one."""
    if os.environ.get(ENDPOINT):
        return None
    if not os.environ.get(FOLDER):
        return f"no DynamoDB Local: set {ENDPOINT} to a running endpoint or {FOLDER} to the folder of its jar"
    if not (shutil.which("java") and shutil.which("javac")):
        return "no DynamoDB Local: java and javac are not on the PATH"
    return None


@contextmanager
def endpoint(scratch: Path) -> Iterator[str]:
    """Yield the address of a DynamoDB Local."""
    running = os.environ.get(ENDPOINT)
    if running:
        yield running
        return
    with _started(Path(os.environ[FOLDER]), scratch) as address:
        yield address


@contextmanager
def _started(folder: Path, scratch: Path) -> Iterator[str]:
    source = scratch / "BoundLocally.java"
    source.write_text(LAUNCHER)
    jars = f"{folder / 'DynamoDBLocal.jar'}:{folder / 'DynamoDBLocal_lib'}/*"
    subprocess.run(["javac", "-cp", jars, str(source)], check=True, cwd=scratch, capture_output=True)
    port = _free_port()
    command = [
        "java",
        f"-Djava.library.path={folder / 'DynamoDBLocal_lib'}",
        "-cp",
        f"{jars}:{scratch}",
        "BoundLocally",
        "-inMemory",
        "-port",
        str(port),
    ]
    with subprocess.Popen(command, cwd=scratch, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        try:
            _wait(server)
            _answers(f"http://127.0.0.1:{port}")
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()


def _wait(server: "subprocess.Popen[str]") -> None:
    """Read what the server says until it says that it has started."""
    assert server.stdout is not None
    for line in server.stdout:
        if line.strip() == "started":
            return
    raise AssertionError(f"DynamoDB Local ended with {server.wait()} before it started")


def _answers(address: str) -> None:
    try:
        urlopen(address, timeout=10).close()
    except HTTPError:
        return  # it asks for credentials: it answers
    except URLError as error:
        raise AssertionError(f"DynamoDB Local does not answer at {address}") from error


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
