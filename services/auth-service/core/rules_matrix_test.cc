// Every sender, recipient, client network and identity under every setting of the switches. What is
// expected is worked out by a second statement of smtp-auth.md, which shares nothing with the rules
// but the words: it lists all that is wrong with a mail, in no order, from tables of plain texts.
#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "services/auth-service/core/rules.h"

namespace turnpike::auth {
namespace {

using Texts = std::set<std::string>;

// ------------------------------------------------------------------------- what there is to mix

const std::vector<std::string> kSenders = {
    "",                          // the null sender
    "eve@far.example",           //
    "ann@here.example",          // an account
    "sales@here.example",        // its alias
    "ann@gw.example",            // its alias in a gateway's domain
    "bob@listed.example",        // another account
    "nobody@here.example",       // no account, but in a local domain
    "shared@here.example",       // likewise, but found on another server
    "twice@here.example",        // an account here, and found on another server
    "Postmaster@here.example",   // a role, not an account
    "abuse@here.example",        // a role, ann's alias
    "webmaster@listed.example",  // a role, found on another server
    "postmaster",                // without a domain
    "any@gw.example",            // of a gateway whose senders must authenticate
    "any@open.example",          // of one whose need not
    "any@exempt.example",        // of one that AU-8 may exempt
    "news@here.example",         // AU-7 may exempt it
    "eve@partner.example",       // likewise
};
const std::vector<std::string> kRecipients = {
    "ann@here.example",
    "sales@here.example",
    "nobody@here.example",
    "bob@listed.example",
    "nobody@listed.example",
    "any@gw.example",
    "any@exempt.example",
    "any@relay.example",
    "eve@far.example",
    "eve@[198.51.100.9]",
    "any@[192.0.2.25]",
    "eve%far.example@here.example",
    "far!eve@gw.example",
    "eve%far.example@far2.example",
    "postmaster",
    "postmaster@here.example",
};
const std::map<std::string, Texts> kClients = {
    {"198.51.100.1", {}},
    {"10.2.0.1", {"local"}},
    {"192.0.2.77", {"trusted"}},
    {"10.1.0.1", {"local", "trusted"}},
};
// Empty: nobody. With `@`: an account; else a gateway.
const std::vector<std::string> kIdentities = {"", "ann@here.example", "gw.example",
                                              "exempt.example"};

const std::map<std::string, std::string> kOwners = {
    {"ann@here.example", "ann@here.example"},     {"sales@here.example", "ann@here.example"},
    {"ann@gw.example", "ann@here.example"},       {"abuse@here.example", "ann@here.example"},
    {"bob@listed.example", "bob@listed.example"}, {"twice@here.example", "twice@here.example"},
};
const Texts kFoundElsewhere = {"shared@here.example", "twice@here.example",
                               "webmaster@listed.example"};

struct Switches {
  bool au_1, au_2, au_3, au_4, au_5, au_6, au_7, au_8, au_9, au_10;
  bool pop_before_smtp, has_logged_in;

  std::string Text() const {
    return absl::StrCat("1:", au_1, " 2:", au_2, " 3:", au_3, " 4:", au_4, " 5:", au_5, " 6:", au_6,
                        " 7:", au_7, " 8:", au_8, " 9:", au_9, " 10:", au_10,
                        " pop:", pop_before_smtp, " logged in:", has_logged_in);
  }
};

// ------------------------------------------------------------------------- the second statement

std::string Lower(std::string text) {
  for (char& c : text) c = static_cast<char>(tolower(c));
  return text;
}
std::string DomainOf(const std::string& address) {
  if (address.empty()) return "";
  const size_t at = address.rfind('@');
  return at == std::string::npos ? "here.example" : address.substr(at + 1);
}
std::string Whole(const std::string& address) {
  const bool is_bare = !address.empty() && address.find('@') == std::string::npos;
  return Lower(is_bare ? address + "@here.example" : address);
}
bool IsOneOf(const std::string& text, const Texts& texts) { return texts.count(text) > 0; }

struct Mail {
  Switches switches;
  std::string sender, recipient, client, identity;
  bool is_submission = false;

  bool is_authenticated() const { return !identity.empty(); }
  bool is_from(const char* network) const { return IsOneOf(network, kClients.at(client)); }
  bool sender_is_ours() const {
    return IsOneOf(DomainOf(sender), {"here.example", "listed.example"});
  }
  bool sender_has_account() const { return sender_is_ours() && kOwners.count(Whole(sender)) > 0; }
  bool sender_is_role() const {
    const std::string name = Whole(sender).substr(0, Whole(sender).find('@'));
    return sender_is_ours() && IsOneOf(name, {"postmaster", "abuse", "webmaster"});
  }
  bool recipient_has_account() const {
    return IsOneOf(DomainOf(recipient), {"here.example", "listed.example"}) &&
           kOwners.count(Whole(recipient)) > 0;
  }
  bool recipient_is_exempt() const {
    return switches.au_8 && DomainOf(recipient) == "exempt.example";
  }
  bool session_is_exempt() const { return switches.au_8 && identity == "exempt.example"; }
  bool owns(const std::string& address) const {
    if (identity.find('@') == std::string::npos) return DomainOf(address) == identity;
    const auto owner = kOwners.find(Whole(address));
    return owner != kOwners.end() && owner->second == identity;
  }
  bool is_exempt_address(const std::string& address) const {
    return switches.au_7 &&
           (address == "news@here.example" || DomainOf(address) == "partner.example");
  }

  // The rules that the mail breaks, with the first position at which that is certain.
  void Judge(Texts& at_mail, Texts& at_rcpt) const {
    const bool stranger = !is_authenticated();
    if (is_submission && stranger) at_mail.insert("PL-1 530 5.7.0");
    if (switches.au_4 && stranger && is_from("local") && !is_from("trusted")) {
      at_mail.insert("AU-4 530 5.7.0");
    }
    if (switches.au_9 && stranger && sender_is_role()) at_mail.insert("AU-9 530 5.7.0");
    const bool is_elsewhere =
        IsOneOf(Whole(sender), kFoundElsewhere) && !sender_has_account() && sender != "postmaster";
    if (switches.au_1 && stranger && sender_is_ours() && !(switches.au_3 && is_elsewhere)) {
      if (!switches.au_2) {
        at_mail.insert("AU-1 530 5.7.0");
      } else if (!recipient_has_account()) {
        at_rcpt.insert("AU-1 530 5.7.0");
      }
    }
    if (stranger && IsOneOf(DomainOf(sender), {"gw.example", "exempt.example"})) {
      at_mail.insert("DQ-5 530 5.7.0");
    }
    if (identity.find('@') == std::string::npos && !stranger && DomainOf(sender) != identity &&
        IsOneOf(DomainOf(sender), {"gw.example", "exempt.example"})) {
      at_mail.insert("DQ-5 530 5.7.0");
    }
    if (switches.pop_before_smtp && sender_has_account() && !switches.has_logged_in) {
      if (stranger) at_mail.insert("AU-21 530 5.7.0");
      if (!stranger && !switches.au_10) at_mail.insert("AU-10 550 5.7.1");
    }
    if (switches.au_5 && !stranger && !session_is_exempt() && !sender.empty() && !owns(sender) &&
        !is_exempt_address(sender)) {
      if (!switches.au_8) {
        at_mail.insert("AU-5 553 5.7.1");
      } else if (!recipient_is_exempt()) {
        at_rcpt.insert("AU-5 553 5.7.1");
      }
    }
    if (is_submission && stranger) at_rcpt.insert("PL-1 530 5.7.0");
    const bool may_relay = !stranger || is_from("trusted");
    const bool is_for_us =
        recipient == "postmaster" ||
        IsOneOf(DomainOf(recipient), {"here.example", "listed.example", "gw.example",
                                      "open.example", "exempt.example", "relay.example"});
    const bool is_routed = recipient.find_first_of("%!") != std::string::npos;
    if ((!is_for_us && !may_relay) || (is_routed && (is_for_us || !may_relay)) ||
        recipient == "any@[192.0.2.25]") {
      at_rcpt.insert("AU-24 550 5.7.1");
    }
    if (DomainOf(recipient) == "listed.example" && !recipient_has_account()) {
      at_rcpt.insert("local-recipient 550 5.1.1");
    }
  }

  bool header_is_wanted() const {
    return switches.au_6 && is_authenticated() && !session_is_exempt() && !recipient_is_exempt();
  }
};

// ------------------------------------------------------------------------------ the rules' side

config::v1::Config MakeConfig(const Switches& switches) {
  config::v1::Config config;
  config::v1::Auth& auth = *config.mutable_auth();
  auth.set_require_for_local_senders(switches.au_1);
  auth.set_local_recipients_exempt(switches.au_2);
  auth.set_shared_domain_senders_exempt(switches.au_3);
  auth.set_require_from_local_ips(switches.au_4);
  auth.set_match_return_path(switches.au_5);
  auth.set_match_from_header(switches.au_6);
  if (switches.au_7) {
    auth.add_match_exemptions("news@here.example");
    auth.add_match_exemptions("*@partner.example");
  }
  auth.set_require_for_role_senders(switches.au_9);
  auth.mutable_pop_before_smtp()->set_enabled(switches.pop_before_smtp);
  auth.mutable_pop_before_smtp()->set_authenticated_exempt(switches.au_10);
  config.add_local_domains()->set_domain("here.example");
  config.mutable_local_domains(0)->set_accept_any_recipient(true);
  config.add_local_domains()->set_domain("listed.example");
  config.add_relay_domains("relay.example");
  config.add_local_networks("10.0.0.0/8");
  config.add_trusted_networks("10.1.0.0/16");
  config.add_trusted_networks("192.0.2.64/26");
  for (const char* domain : {"gw.example", "open.example", "exempt.example"}) {
    config::v1::Gateway* gateway = config.add_gateways();
    gateway->set_domain(domain);
    gateway->set_senders_must_authenticate(std::string(domain) != "open.example");
    gateway->set_exempt_from_auth_matching(switches.au_8 &&
                                           std::string(domain) == "exempt.example");
  }
  for (const auto& [address, owner] : kOwners) {
    if (address == owner) config.add_accounts()->set_address(address);
  }
  for (config::v1::Account& account : *config.mutable_accounts()) {
    for (const auto& [address, owner] : kOwners) {
      if (owner == account.address() && owner != address) account.add_aliases(address);
    }
  }
  config.mutable_domain_sharing()->add_hosts()->set_server("127.0.0.1:24");
  config::v1::Listener* listener = config.mutable_smtp()->add_listeners();
  listener->set_name("mx");
  listener->set_role(config::v1::LISTENER_ROLE_SMTP);
  listener->set_listen("192.0.2.25:25");
  return config;
}

v1::SessionFacts FactsOf(const Mail& mail) {
  v1::SessionFacts facts;
  facts.set_client_address(mail.client);
  facts.set_listener("mx");
  facts.set_role(mail.is_submission ? v1::LISTENER_ROLE_SUBMISSION : v1::LISTENER_ROLE_SMTP);
  if (!mail.is_authenticated()) return facts;
  facts.mutable_identity()->set_name(mail.identity);
  facts.mutable_identity()->set_kind(mail.identity.find('@') == std::string::npos
                                         ? v1::Identity::KIND_GATEWAY
                                         : v1::Identity::KIND_ACCOUNT);
  return facts;
}

// Answers what the rules want to know, as the services behind them would.
template <typename Decide>
v1::Verdict Drive(const Switches& switches, Decide decide) {
  Evidence evidence;
  for (int i = 0; i < 10; ++i) {
    Decision decision = decide(evidence);
    if (!decision.want.has_value()) return decision.verdict;
    switch (decision.want->kind) {
      case Want::Kind::kOwner:
        ADD_FAILURE() << "there is no directory to ask for " << decision.want->address;
        evidence.owners[decision.want->address] = std::nullopt;
        break;
      case Want::Kind::kSharing:
        evidence.is_sender_shared = IsOneOf(decision.want->address, kFoundElsewhere);
        break;
      case Want::Kind::kRecentLogin:
        evidence.has_sender_logged_in = switches.has_logged_in;
        break;
    }
  }
  ADD_FAILURE() << "never decided";
  return {};
}

// Null if `verdict` is as the statement has it: refused for one of `wrong`, or taken if there is
// none.
bool Agrees(const v1::Verdict& verdict, const Texts& wrong) {
  if (verdict.accepted()) return wrong.empty();
  return IsOneOf(absl::StrCat(verdict.rule(), " ", verdict.reply().code(), " ",
                              verdict.reply().enhanced_code()),
                 wrong);
}

std::string Explain(const Mail& mail, const v1::Verdict& verdict, const Texts& wrong) {
  return absl::StrCat("from <", mail.sender, "> to <", mail.recipient, "> by ", mail.client,
                      " as <", mail.identity, "> ", mail.is_submission ? "submission " : "",
                      mail.switches.Text(), "\nsaid: ", verdict.accepted() ? "ok" : verdict.rule(),
                      "; wrong: ", absl::StrJoin(wrong, ", "));
}

// All but what POP before SMTP adds.
std::vector<Switches> AllSwitches() {
  std::vector<Switches> all;
  for (uint32_t bits = 0; bits < 1u << 12; ++bits) {
    const auto bit = [bits](int i) { return (bits >> i & 1) != 0; };
    const Switches switches{bit(0), bit(1), bit(2), bit(3), bit(4),  bit(5),
                            bit(6), bit(7), bit(8), bit(9), bit(10), bit(11)};
    // Without POP before SMTP, what goes with it has no meaning.
    if (!switches.pop_before_smtp && (switches.au_10 || switches.has_logged_in)) continue;
    all.push_back(switches);
  }
  return all;
}

TEST(RulesMatrixTest, EveryMailIsJudgedAsTheSecondStatementSays) {
  int64_t count = 0;
  for (const Switches& switches : AllSwitches()) {
    const Site site(MakeConfig(switches));
    for (const std::string& identity : kIdentities) {
      for (const auto& [client, networks] : kClients) {
        for (const std::string& sender : kSenders) {
          Mail mail{.switches = switches, .sender = sender, .client = client, .identity = identity};
          const v1::SessionFacts facts = FactsOf(mail);
          const v1::Verdict at_mail = Drive(switches, [&](const Evidence& evidence) {
            return DecideMail(site, facts, sender, evidence);
          });
          Texts wrong_at_mail, ignored;
          mail.Judge(wrong_at_mail, ignored);
          ASSERT_TRUE(Agrees(at_mail, wrong_at_mail)) << Explain(mail, at_mail, wrong_at_mail);
          ++count;
          if (!at_mail.accepted()) continue;
          for (const std::string& recipient : kRecipients) {
            mail.recipient = recipient;
            const v1::Verdict at_rcpt = Drive(switches, [&](const Evidence& evidence) {
              return DecideRcpt(site, facts, sender, recipient, evidence);
            });
            Texts wrong_at_rcpt;
            mail.Judge(ignored, wrong_at_rcpt);
            ASSERT_TRUE(Agrees(at_rcpt, wrong_at_rcpt)) << Explain(mail, at_rcpt, wrong_at_rcpt);
            ++count;
            if (!at_rcpt.accepted()) continue;
            ASSERT_EQ(at_mail.wants_header() || at_rcpt.wants_header(), mail.header_is_wanted())
                << Explain(mail, at_rcpt, {});
          }
        }
      }
    }
  }
  RecordProperty("verdicts", std::to_string(count));
  EXPECT_GT(count, 1'000'000);
}

TEST(RulesMatrixTest, SubmissionTakesNothingFromStrangers) {
  for (const Switches& switches : AllSwitches()) {
    const Site site(MakeConfig(switches));
    for (const std::string& sender : kSenders) {
      Mail mail{
          .switches = switches, .sender = sender, .client = "192.0.2.77", .is_submission = true};
      const v1::Verdict verdict = Drive(switches, [&](const Evidence& evidence) {
        return DecideMail(site, FactsOf(mail), sender, evidence);
      });
      ASSERT_EQ(verdict.rule(), "PL-1") << Explain(mail, verdict, {});
    }
  }
}

TEST(RulesMatrixTest, EveryFromHeaderIsJudgedAsTheSecondStatementSays) {
  for (const Switches& switches : AllSwitches()) {
    const Site site(MakeConfig(switches));
    for (const std::string& identity : kIdentities) {
      if (identity.empty()) continue;
      for (const std::string& first : kSenders) {
        for (const std::string& second : kSenders) {
          // Only what can stand in a From: header.
          if (first.find('@') == std::string::npos ||
              (!second.empty() && second.find('@') == std::string::npos)) {
            continue;
          }
          const Mail mail{.switches = switches, .client = "198.51.100.1", .identity = identity};
          const auto is_fine = [&mail](const std::string& address) {
            return mail.owns(address) || mail.is_exempt_address(address);
          };
          const bool is_wrong = switches.au_6 && !mail.session_is_exempt() &&
                                !(is_fine(first) && (second.empty() || is_fine(second)));
          const std::string header = absl::StrCat("Subject: x\r\nFrom: ", first,
                                                  second.empty() ? "" : ", ", second, "\r\n\r\n");
          const v1::Verdict verdict = Drive(switches, [&](const Evidence& evidence) {
            return DecideHeader(site, FactsOf(mail), header, evidence);
          });
          ASSERT_TRUE(Agrees(verdict, is_wrong ? Texts{"AU-6 550 5.7.1"} : Texts{}))
              << identity << " " << header << switches.Text();
        }
      }
      if (switches.pop_before_smtp) break;  // it has no part in this
    }
  }
}

TEST(RulesMatrixTest, UnreadableFromHeadersAreRefusedWhereMatchingIsOn) {
  const Mail mail{.client = "198.51.100.1", .identity = "ann@here.example"};
  for (const char* header :
       {"", "Subject: x\r\n\r\n", "From: \r\n\r\n", "From: ann@here.example <x>\r\n\r\n",
        "From: ann@here.example\r\nFrom: ann@here.example\r\n\r\n"}) {
    Switches switches{};
    const auto verdict = [&] {
      return DecideHeader(Site(MakeConfig(switches)), FactsOf(mail), header, Evidence()).verdict;
    };
    EXPECT_TRUE(verdict().accepted()) << header;
    switches.au_6 = true;
    EXPECT_EQ(verdict().rule(), "AU-6") << header;
  }
}

TEST(RulesMatrixTest, AuthIsDisallowedOnSmtpListenersOnly) {
  for (const bool disallow : {false, true}) {
    for (const bool screens : {false, true}) {
      for (const v1::ListenerRole role : {v1::LISTENER_ROLE_SMTP, v1::LISTENER_ROLE_SUBMISSION,
                                          v1::LISTENER_ROLE_SUBMISSIONS, v1::LISTENER_ROLE_ODMR}) {
        config::v1::Config config = MakeConfig({});
        config.mutable_auth()->set_disallow_on_smtp_port(disallow);
        config.mutable_auth()->set_screen_on_disallowed_auth(screens);
        v1::SessionFacts facts;
        facts.set_role(role);
        const Site site(config);
        const bool is_disallowed = disallow && role == v1::LISTENER_ROLE_SMTP;
        EXPECT_EQ(IsAuthDisallowed(site, facts), is_disallowed);
        const UnofferedAuthDecision decision = DecideUnofferedAuth(site, facts);
        EXPECT_EQ(decision.screens, is_disallowed && screens);
        EXPECT_EQ(decision.verdict.close(), is_disallowed && screens);
        EXPECT_EQ(decision.verdict.reply().code(), !is_disallowed ? 502 : screens ? 421 : 500);
      }
    }
  }
}

}  // namespace
}  // namespace turnpike::auth
