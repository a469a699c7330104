"""An OpenLDAP server of its own, with the accounts of a test."""

import base64
import hashlib
import os
import pathlib
import subprocess

from peers.process import Process, can_connect, free_port, wait_for

BASE = "dc=office,dc=test"
ADMIN, ADMIN_PASSWORD = f"cn=admin,{BASE}", "barnacle-7"

CONF = """\
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
attributetype ( 1.3.6.1.4.1.99999.1.1 NAME 'mailAlternateAddress'
  EQUALITY caseIgnoreIA5Match SUBSTR caseIgnoreIA5SubstringsMatch
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.26 )
attributetype ( 1.3.6.1.4.1.99999.1.2 NAME 'mailVerifier'
  EQUALITY octetStringMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.40 )
objectclass ( 1.3.6.1.4.1.99999.2.1 NAME 'mailAccount' SUP top AUXILIARY
  MAY ( mailAlternateAddress $ mailVerifier ) )
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile {folder}/pid
argsfile {folder}/args
{tls}
# Nobody reads what stands for passwords but the administrator; and nobody else searches.
access to attrs=userPassword,mailVerifier by dn.exact="{admin}" read by anonymous auth by * none
access to * by dn.exact="{admin}" read by * none
database mdb
maxsize 16777216
suffix "{base}"
rootdn "cn=root,{base}"
directory {folder}/db
"""


def ssha(password):
    salt = os.urandom(8)
    digest = hashlib.sha1(password.encode() + salt).digest()
    return "{SSHA}" + base64.b64encode(digest + salt).decode()


class OpenLdap:
    """`accounts` are dicts: mail (a list, the own address first), and if wanted aliases, password
    (for binding), verifiers (for us). `ldap://` at `url`, and with a certificate
    ({certificate_file, key_file}) `ldaps://` at `tls_url` and STARTTLS."""

    def __init__(self, folder, accounts, certificate=None, address="127.0.0.1"):
        self.folder = pathlib.Path(folder)
        (self.folder / "db").mkdir(parents=True)
        self.address, self.port = address, free_port(address)
        self.tls_port = free_port(address) if certificate else 0
        self.process = None
        tls = (f"TLSCertificateFile {certificate['certificate_file']}\n"
               f"TLSCertificateKeyFile {certificate['key_file']}\n" if certificate else "")
        self.conf = self.folder / "slapd.conf"
        self.conf.write_text(CONF.format(folder=self.folder, tls=tls, admin=ADMIN, base=BASE))
        ldif = self.folder / "accounts.ldif"
        ldif.write_text("\n".join(self._entries(accounts)))
        subprocess.run(["/usr/sbin/slapadd", "-f", self.conf, "-l", ldif], check=True,
                       capture_output=True)

    @staticmethod
    def _entries(accounts):
        yield (f"dn: {BASE}\nobjectClass: dcObject\nobjectClass: organization\no: Office\n"
               "dc: office\n")
        yield (f"dn: {ADMIN}\nobjectClass: organizationalRole\nobjectClass: simpleSecurityObject\n"
               f"cn: admin\nuserPassword: {ssha(ADMIN_PASSWORD)}\n")
        for number, account in enumerate(accounts):
            lines = [f"dn: uid=user{number},{BASE}", "objectClass: inetOrgPerson",
                     "objectClass: mailAccount", f"uid: user{number}", "cn: x", "sn: x"]
            lines += [f"mail: {address}" for address in account["mail"]]
            lines += [f"mailAlternateAddress: {alias}" for alias in account.get("aliases", ())]
            if "password" in account:
                lines.append(f"userPassword: {ssha(account['password'])}")
            for verifier in account.get("verifiers", ()):
                lines.append("mailVerifier:: " + base64.b64encode(verifier.encode()).decode())
            yield "\n".join(lines) + "\n"

    @property
    def url(self):
        return f"ldap://{self.address}:{self.port}"

    @property
    def tls_url(self):
        return f"ldaps://{self.address}:{self.tls_port}"

    def start(self):
        urls = f"{self.url}/" + (f" {self.tls_url}/" if self.tls_port else "")
        self.process = Process(["/usr/sbin/slapd", "-f", self.conf, "-h", urls, "-d", "256"],
                               self.folder / "log")
        wait_for(lambda: can_connect(self.address, self.port), what="slapd listening")
        return self

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process = None

    def __enter__(self):
        return self.start()

    def __exit__(self, *exc_info):
        self.stop()

    def count(self, what):
        """How often the log says this: `SRCH`, `BIND dn=`."""
        return (self.folder / "log").read_text(errors="replace").count(what)
