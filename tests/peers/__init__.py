"""Starts the programs that tests, benchmarks and `make run` need beside each other: Turnpike's own
five services, and real peers from Debian's packages (Postfix, fetchmail, Knot DNS). Everything binds
to loopback, lives in one folder, and is ended by the pid that was started."""
