"""Serve the behavioural experiments of a run on this machine and store the answers. Not a step of the workflow."""

import argparse
import logging
import signal
import sqlite3
import sys
from pathlib import Path

from metamers.experiment.server import Server, find_experiments


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("experiment", type=Path, help="results/<run>/experiment")
    parser.add_argument("answers", type=Path, help="folder for answers, outside the experiment's; created if missing")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--address", default="127.0.0.1", help="address to listen on; by default only this machine")
    parser.add_argument("--name", action="append", default=[], help="an additional host name of this machine")
    parser.add_argument("--export", action="store_true", help="only write the answers, as JSON files of jsPsych")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    logger = logging.getLogger("metamers")
    try:
        experiments = find_experiments(arguments.experiment, arguments.answers)
        for experiment in experiments:
            logger.info("%s: %d participants so far", experiment.exported, experiment.export())
        if arguments.export:
            return
        server = Server(experiments, arguments.address, arguments.port, arguments.name)
    except (OSError, ValueError) as error:
        sys.exit(f"{error}")
    except sqlite3.Error as error:
        sys.exit(f"{arguments.answers}: cannot open the file of answers: {error}")

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    try:
        signal.signal(signal.SIGTERM, stop)
        logger.info("the experiment is at http://localhost:%d/; press Ctrl-C to stop", server.server_address[1])
        server.serve_forever()
    except KeyboardInterrupt:
        logger.info("stopped; the answers are in %s", arguments.answers)
    finally:
        server.server_close()
        for experiment in experiments:
            try:
                experiment.export()
            except (OSError, sqlite3.Error) as error:
                logger.error("%s", error)
                logger.error("all answers are in %s; --export writes the JSON files later", experiment.answers)


main()
