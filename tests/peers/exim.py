"""An Exim of its own: a second real MTA, which receives into a Maildir and answers ETRN.

Debian has one mail transport agent at a time, and that is Postfix; so Exim's packages are only
unpacked (`unpack` lines of deploy/packages/debian-test.txt). Its user is known in its own mount
namespace alone.
"""

import email
import os
import pathlib
import pwd

from peers.process import Process, can_connect, free_port, wait_for

ROOT = pathlib.Path(os.environ.get("TURNPIKE_PEERS", "/usr/local/lib/turnpike-peers"))

CONF = """\
exim_path = {exim}
primary_hostname = {hostname}
spool_directory = {folder}/spool
log_file_path = {folder}/log/%slog
pid_file_path = {folder}/exim.pid
daemon_smtp_ports = {port}
local_interfaces = {address}
keep_environment =
deliver_drop_privilege = true
disable_ipv6 = true
tls_advertise_hosts =
domainlist local_domains = {domains}
host_lookup =
smtp_accept_max = 100
recipient_unqualified_hosts =
acl_smtp_rcpt = acl_rcpt
{main}
begin acl
acl_rcpt:
  accept {rcpt}
  deny message = not for us
{acl}
begin routers
mailbox:
  driver = accept
  domains = +local_domains
  transport = maildir
{routers}
begin transports
maildir:
  driver = appendfile
  maildir_format
  directory = {folder}/mail/inbox
  create_directory
  return_path_add
  envelope_to_add
{transports}
begin retry
* * F,1h,1m
{authenticators}
"""

AUTHENTICATORS = """\
begin authenticators
cram:
  driver = cram_md5
  public_name = CRAM-MD5
  server_secret = ${lookup{$auth1}lsearch{{folder}/users}{$value}fail}
  server_set_id = $auth1
"""


class Received:
    """A message in the Maildir: what arrived, and its envelope."""

    def __init__(self, path):
        raw = path.read_bytes()
        fields = email.message_from_bytes(raw)
        self.return_path = fields["Return-path"].strip("<>")
        self.recipient = fields["Envelope-to"]
        self.content = raw

    def body(self):
        return self.content.split(b"\n\n", 1)[1]


class Exim:
    """Receives mail for `domains`. Any recipient is known."""

    def __init__(self, folder, domains, address="127.0.0.1", port=None,
                 hostname="mail.customer.test", main="", acl="", routers="", transports="",
                 rcpt="domains = +local_domains", users=None, conf=None):
        """`users`: {login: password}; then mail is taken only from those who have logged in.
        `conf`: the whole configuration instead, with {folder}, {port}, {address}, {exim}."""
        self.folder = pathlib.Path(folder)
        self.address = address
        self.port = port or free_port(address)
        self.exim = ROOT / "usr" / "sbin" / "exim4"
        self.process = None
        for sub in ("log", "mail", "spool"):
            (self.folder / sub).mkdir(parents=True, exist_ok=True)
        user = self._make_user()
        for sub in ("log", "mail", "spool"):
            os.chown(self.folder / sub, user, user)
        for parent in [self.folder, *self.folder.parents]:
            if parent != pathlib.Path("/") and not parent.stat().st_mode & 0o001:
                parent.chmod(parent.stat().st_mode | 0o111)
        if users:
            rcpt += "\n         authenticated = *"
        values = dict(folder=self.folder, address=address, port=self.port, hostname=hostname,
                      domains=" : ".join(domains), exim=self.exim, main=main, acl=acl,
                      routers=routers, transports=transports, rcpt=rcpt,
                      authenticators=self._authenticators(users or {}))
        text = conf or CONF
        for key, value in values.items():
            text = text.replace("{" + key + "}", str(value))
        (self.folder / "exim.conf").write_text(text)

    def _make_user(self):
        """The user that Debian has built in, in copies of the system's files; its number."""
        taken = {entry.pw_uid for entry in pwd.getpwall()}
        number = next(n for n in range(999, 100, -1) if n not in taken)
        for name, line in (("passwd", f"Debian-exim:x:{number}:{number}::/nonexistent:/bin/false"),
                           ("group", f"Debian-exim:x:{number}:")):
            text = pathlib.Path("/etc", name).read_text()
            (self.folder / name).write_text(text.rstrip("\n") + "\n" + line + "\n")
        return number

    def _authenticators(self, users):
        (self.folder / "users").write_text("".join(f"{u}: {p}\n" for u, p in users.items()))
        return AUTHENTICATORS.replace("{folder}", str(self.folder)) if users else ""

    def command(self, *arguments):
        """The command line that runs Exim with these arguments."""
        script = ('mount --bind "$1/passwd" /etc/passwd && mount --bind "$1/group" /etc/group && '
                  'shift && exec "$@"')
        return ["unshare", "--mount", "sh", "-c", script, "sh", str(self.folder), str(self.exim),
                "-C", str(self.folder / "exim.conf"), *arguments]

    def start(self):
        self.process = Process(self.command("-bdf", "-q1m"), self.folder / "exim.out")
        wait_for(lambda: can_connect(self.address, self.port), what="Exim listening")
        return self

    def stop(self):
        self.process.terminate()

    def __enter__(self):
        return self.start()

    def __exit__(self, *exc_info):
        self.stop()

    def messages(self):
        inbox = self.folder / "mail" / "inbox" / "new"
        if not inbox.exists():
            return []
        return [Received(path) for path in sorted(inbox.iterdir(), key=lambda p: p.stat().st_mtime_ns)]

    def wait_messages(self, count, timeout=30):
        wait_for(lambda: len(self.messages()) >= count, timeout,
                 what=f"{count} messages at Exim (there: {len(self.messages())})")
        return self.messages()
