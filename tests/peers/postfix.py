"""A Postfix of its own: a real MTA that receives into a Maildir."""

import email
import pathlib
import pwd
import re
import shutil
import subprocess

from peers.process import can_connect, free_port, wait_for

MAIN_CF = """\
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/log/mail.log
maillog_file_prefixes = {folder}/log
mail_owner = postfix
setgid_group = postdrop
myhostname = {hostname}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
mydestination =
alias_maps =
alias_database =
local_recipient_maps =
local_transport = error:no local mail here
virtual_mailbox_domains = {domains}
virtual_mailbox_base = {folder}/mail
virtual_mailbox_maps = static:inbox/
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
virtual_mailbox_limit = 0
message_size_limit = 0
smtpd_recipient_restrictions = permit_mynetworks, reject
smtpd_peername_lookup = no
smtpd_client_connection_count_limit = 0
local_header_rewrite_clients =
message_drop_headers =
enable_original_recipient = yes
disable_dns_lookups = yes
{extra}
"""

MASTER_CF = """\
{address}:{port} inet n - n - - smtpd
pickup    unix n - n 60 1 pickup
cleanup   unix n - n - 0 cleanup
qmgr      unix n - n 300 1 qmgr
tlsmgr    unix - - n 1000? 1 tlsmgr
rewrite   unix - - n - - trivial-rewrite
bounce    unix - - n - 0 bounce
defer     unix - - n - 0 bounce
trace     unix - - n - 0 bounce
verify    unix - - n - 1 verify
flush     unix n - n 1000? 0 flush
proxymap  unix - - n - - proxymap
smtp      unix - - n - - smtp
showq     unix n - n - - showq
error     unix - - n - - error
retry     unix - - n - - error
discard   unix - - n - - discard
virtual   unix - n n - - virtual
anvil     unix - - n - 1 anvil
scache    unix - - n - 1 scache
postlog   unix-dgram n - n - 1 postlogd
"""


class Received:
    """A message in the Maildir: what arrived, without what the receiving MTA put in front."""

    # In this order Postfix's virtual(8) and cleanup(8) put fields in front of what it was sent.
    _OWN = re.compile(rb"\A(?:(?:Return-Path|X-Original-To|Delivered-To): [^\n]*\n)+"
                      rb"Received: from [^\n]*\n(?:[ \t][^\n]*\n)+")

    def __init__(self, path):
        raw = path.read_bytes()
        own = self._OWN.match(raw)
        if not own:
            raise AssertionError(f"{path}: no fields of the receiving MTA:\n{raw[:600]!r}")
        fields = email.message_from_bytes(own.group(0))
        self.return_path = fields["Return-Path"].strip("<>")
        self.recipient = fields["X-Original-To"]
        self.content = raw[own.end():]  # LF line ends, starts with Turnpike's Received:

    def original(self):
        """The content as the sender gave it: without Turnpike's Received: field."""
        field = re.match(rb"Received: [^\n]*\n(?:[ \t][^\n]*\n)*", self.content)
        if not field:
            raise AssertionError(f"no Received: in front:\n{self.content[:600]!r}")
        return self.content[field.end():]


class Postfix:
    """Receives mail for `domains` into `folder`/mail/inbox. Any recipient is known."""

    def __init__(self, folder, domains, address="127.0.0.1", port=None, extra="",
                 hostname="mail.customer.test"):
        self.folder = pathlib.Path(folder)
        self.address = address
        self.port = port or free_port(address)
        self.config = self.folder / "etc"
        for sub in ("etc", "queue", "data", "log", "mail"):
            (self.folder / sub).mkdir(parents=True, exist_ok=True)
        user = pwd.getpwnam("postfix")
        shutil.chown(self.folder / "data", user.pw_uid)
        nobody = pwd.getpwnam("nobody")
        shutil.chown(self.folder / "mail", nobody.pw_uid, nobody.pw_gid)
        values = dict(folder=self.folder, address=address, port=self.port, hostname=hostname,
                      domains=", ".join(domains), uid=nobody.pw_uid, gid=nobody.pw_gid, extra=extra)
        (self.config / "main.cf").write_text(MAIN_CF.format(**values))
        (self.config / "master.cf").write_text(MASTER_CF.format(**values))

    def _postfix(self, verb):
        # Postfix says what is wrong only to a terminal, before its log is open.
        result = subprocess.run(["script", "--quiet", "--return", "--command",
                                 f"postfix -c {self.config} {verb}", "/dev/null"],
                                capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if result.returncode != 0 and verb != "stop":
            raise RuntimeError(f"postfix {verb}: {result.stdout}")

    def start(self):
        # Debian's Postfix looks for its programs' folder to be world searchable all the way down.
        for parent in [self.folder, *self.folder.parents]:
            if parent != pathlib.Path("/") and not parent.stat().st_mode & 0o001:
                parent.chmod(parent.stat().st_mode | 0o111)
        self._postfix("start")
        wait_for(lambda: can_connect(self.address, self.port), what="Postfix listening")
        return self

    def stop(self):
        self._postfix("stop")

    def __enter__(self):
        return self.start()

    def __exit__(self, *exc_info):
        self.stop()

    def messages(self):
        """Everything received so far, as `Received`, in order of arrival."""
        inbox = self.folder / "mail" / "inbox" / "new"
        if not inbox.exists():
            return []
        return [Received(path) for path in sorted(inbox.iterdir(), key=lambda p: p.stat().st_mtime_ns)]

    def wait_messages(self, count, timeout=30):
        wait_for(lambda: len(self.messages()) >= count, timeout,
                 what=f"{count} messages at the receiving MTA (there: {len(self.messages())})")
        return self.messages()
