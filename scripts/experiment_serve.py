"""Serve a run's experiments for people on this machine, and keep what they answer. No step of the workflow."""

import argparse
import logging
import signal
import sqlite3
import sys
from pathlib import Path

from metamers.experiment_server import Server, found_in


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("experiment", type=Path, help="results/<run>/experiment")
    parser.add_argument("answers", type=Path, help="folder for answers, outside the experiment's; made if absent")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--address", default="127.0.0.1", help="of the network card; only this machine by default")
    parser.add_argument("--name", action="append", default=[], help="a host name under which the machine is reached")
    parser.add_argument("--export", action="store_true", help="only write the answers as jsPsych's JSON files")
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    logger = logging.getLogger("metamers")
    try:
        experiments = found_in(given.experiment, given.answers)
        for experiment in experiments:
            logger.info("%s: %d participants so far", experiment.exported, experiment.export())
        if given.export:
            return
        server = Server(experiments, given.address, given.port, given.name)
    except (OSError, ValueError) as error:
        sys.exit(f"{error}")
    except sqlite3.Error as error:
        sys.exit(f"{given.answers}: the file of answers cannot be opened: {error}")

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    try:
        signal.signal(signal.SIGTERM, stop)
        logger.info("http://localhost:%d/ takes participants; Ctrl-C ends it", server.server_address[1])
        server.serve_forever()
    except KeyboardInterrupt:
        logger.info("ended; answers are in %s", given.answers)
    finally:
        server.server_close()
        for experiment in experiments:
            experiment.export()


main()
