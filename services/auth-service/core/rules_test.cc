#include "services/auth-service/core/rules.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

namespace turnpike::auth {
namespace {

using std::string_literals::operator""s;

config::v1::Config MakeConfig() {
  config::v1::Config config;
  config.mutable_auth()->set_require_for_local_senders(true);
  config.mutable_auth()->set_match_return_path(true);
  config.mutable_auth()->set_require_from_local_ips(true);
  config::v1::LocalDomain* local = config.add_local_domains();
  local->set_domain("local.example");
  local->set_accept_any_recipient(true);
  local = config.add_local_domains();
  local->set_domain("listed.example");
  config.add_relay_domains("relay.example");
  config.add_local_networks("10.0.0.0/8");
  config.add_trusted_networks("10.1.0.0/16");
  config.add_trusted_networks("2001:db8::/32");
  config::v1::Account* account = config.add_accounts();
  account->set_address("ann@local.example");
  account->add_aliases("Sales@listed.example");
  account->add_aliases("ann@gw.example");
  config::v1::Gateway* gateway = config.add_gateways();
  gateway->set_domain("gw.example");
  gateway->add_aliases("xn--mnchen-3ya.example");
  gateway->set_senders_must_authenticate(true);
  gateway = config.add_gateways();
  gateway->set_domain("open.example");
  config::v1::Listener* listener = config.mutable_smtp()->add_listeners();
  listener->set_name("mx");
  listener->set_role(config::v1::LISTENER_ROLE_SMTP);
  listener->set_listen("192.0.2.25:25");
  return config;
}

enum class Who { kNobody, kAnn, kGateway };

// Of sites where no rule needs evidence.
v1::Verdict MailVerdict(const Site& site, const v1::SessionFacts& facts,
                        absl::string_view return_path) {
  const Decision decision = DecideMail(site, facts, return_path, Evidence());
  EXPECT_FALSE(decision.want.has_value());
  return decision.verdict;
}
v1::Verdict RcptVerdict(const Site& site, const v1::SessionFacts& facts,
                        absl::string_view address) {
  const Decision decision = DecideRcpt(site, facts, "", address, Evidence());
  EXPECT_FALSE(decision.want.has_value());
  return decision.verdict;
}

class RulesTest : public ::testing::Test {
 protected:
  static constexpr char kForeign[] = "198.51.100.1";
  static constexpr char kLocal[] = "10.2.0.1";
  static constexpr char kTrusted[] = "10.1.0.1";

  static v1::SessionFacts Facts(Who who, const std::string& client,
                                v1::ListenerRole role = v1::LISTENER_ROLE_SMTP) {
    v1::SessionFacts facts;
    facts.set_client_address(client);
    facts.set_listener("mx");
    facts.set_role(role);
    if (who == Who::kAnn) {
      facts.mutable_identity()->set_kind(v1::Identity::KIND_ACCOUNT);
      facts.mutable_identity()->set_name("ann@local.example");
    } else if (who == Who::kGateway) {
      facts.mutable_identity()->set_kind(v1::Identity::KIND_GATEWAY);
      facts.mutable_identity()->set_name("gw.example");
    }
    return facts;
  }

  // `ok`, or `AU-1 530 5.7.0`.
  static std::string Text(const v1::Verdict& verdict) {
    if (verdict.accepted()) return "ok";
    return absl::StrCat(verdict.rule(), " ", verdict.reply().code(), " ",
                        verdict.reply().enhanced_code());
  }

  std::string Mail(Who who, const std::string& client, const std::string& sender) const {
    return Text(MailVerdict(site_, Facts(who, client), sender));
  }

  // `gateway gw.example`, or as Text.
  static std::string RcptText(const v1::Verdict& verdict) {
    if (!verdict.accepted()) return Text(verdict);
    switch (verdict.recipient_class()) {
      case v1::RECIPIENT_CLASS_GATEWAY:
        return absl::StrCat("gateway ", verdict.queue());
      case v1::RECIPIENT_CLASS_LOCAL:
        return absl::StrCat("local ", verdict.queue());
      case v1::RECIPIENT_CLASS_REMOTE:
        return absl::StrCat("remote ", verdict.queue());
      default:
        return "no class";
    }
  }

  std::string Rcpt(Who who, const std::string& client, const std::string& address) const {
    return RcptText(RcptVerdict(site_, Facts(who, client), address));
  }

  // `client sender-domain recipient`: what a verdict depends on.
  static std::string Dependence(const v1::Verdict& verdict) {
    const v1::Scope& scope = verdict.scope();
    if (scope.lifetime_duration().seconds() == 0) return "all";
    return absl::StrCat(scope.any_client() ? "" : "client ",
                        scope.any_sender()             ? ""
                        : scope.any_sender_in_domain() ? "sender-domain "
                                                       : "sender ",
                        scope.any_recipient_in_domain() ? "" : "recipient ");
  }

  config::v1::Config config_ = MakeConfig();
  Site site_{config_};
};

TEST_F(RulesTest, MailTable) {
  struct Row {
    Who who;
    const char* client;
    const char* sender;
    const char* verdict;
  };
  for (const Row& row : std::vector<Row>{
           // A stranger.
           {Who::kNobody, kForeign, "", "ok"},
           {Who::kNobody, kForeign, "bob@far.example", "ok"},
           {Who::kNobody, kForeign, "bob@[198.51.100.1]", "ok"},
           {Who::kNobody, kForeign, "ann@local.example", "AU-1 530 5.7.0"},
           {Who::kNobody, kForeign, "any@LISTED.example", "AU-1 530 5.7.0"},
           {Who::kNobody, kForeign, "postmaster", "AU-1 530 5.7.0"},
           {Who::kNobody, kForeign, "ann@sub.local.example", "ok"},
           {Who::kNobody, kForeign, "ann@notlocal.example", "ok"},
           {Who::kNobody, kForeign, "any@gw.example", "DQ-5 530 5.7.0"},
           {Who::kNobody, kForeign, "any@M\u00fcnchen.example", "DQ-5 530 5.7.0"},
           {Who::kNobody, kForeign, "any@open.example", "ok"},
           // A local IP, and one that is trusted too.
           {Who::kNobody, kLocal, "bob@far.example", "AU-4 530 5.7.0"},
           {Who::kNobody, kLocal, "", "AU-4 530 5.7.0"},
           {Who::kNobody, "::ffff:10.2.0.1", "bob@far.example", "AU-4 530 5.7.0"},
           {Who::kNobody, kTrusted, "bob@far.example", "ok"},
           {Who::kNobody, kTrusted, "ann@local.example", "AU-1 530 5.7.0"},
           {Who::kNobody, "nonsense", "bob@far.example", "ok"},
           // An account.
           {Who::kAnn, kForeign, "", "ok"},
           {Who::kAnn, kForeign, "ann@local.example", "ok"},
           {Who::kAnn, kLocal, "ANN@Local.Example", "ok"},
           {Who::kAnn, kForeign, "sales@listed.example", "ok"},
           {Who::kAnn, kForeign, "ann@gw.example", "ok"},
           {Who::kAnn, kForeign, "any@gw.example", "AU-5 553 5.7.1"},
           {Who::kAnn, kForeign, "bob@local.example", "AU-5 553 5.7.1"},
           {Who::kAnn, kForeign, "bob@far.example", "AU-5 553 5.7.1"},
           {Who::kAnn, kForeign, "postmaster", "AU-5 553 5.7.1"},
           // A gateway.
           {Who::kGateway, kForeign, "", "ok"},
           {Who::kGateway, kForeign, "any@gw.example", "ok"},
           {Who::kGateway, kForeign, "any@xn--mnchen-3ya.example", "ok"},
           {Who::kGateway, kForeign, "any@open.example", "AU-5 553 5.7.1"},
           {Who::kGateway, kForeign, "ann@local.example", "AU-5 553 5.7.1"},
           {Who::kGateway, kForeign, "any@sub.gw.example", "AU-5 553 5.7.1"},
       }) {
    EXPECT_EQ(Mail(row.who, row.client, row.sender), row.verdict)
        << row.client << " " << row.sender;
  }
}

TEST_F(RulesTest, SubmissionNeedsAuthentication) {
  const v1::SessionFacts stranger = Facts(Who::kNobody, kTrusted, v1::LISTENER_ROLE_SUBMISSION);
  EXPECT_EQ(Text(MailVerdict(site_, stranger, "bob@far.example")), "PL-1 530 5.7.0");
  EXPECT_EQ(Text(MailVerdict(site_, stranger, "")), "PL-1 530 5.7.0");
  EXPECT_EQ(Text(RcptVerdict(site_, stranger, "any@gw.example")), "PL-1 530 5.7.0");
  const v1::SessionFacts ann = Facts(Who::kAnn, kForeign, v1::LISTENER_ROLE_SUBMISSIONS);
  EXPECT_EQ(Text(MailVerdict(site_, ann, "ann@local.example")), "ok");
}

TEST_F(RulesTest, SwitchesTurnTheirRulesOff) {
  config_.clear_auth();
  config_.mutable_gateways(0)->set_senders_must_authenticate(false);
  const Site site(config_);
  EXPECT_EQ(Text(MailVerdict(site, Facts(Who::kNobody, kForeign), "ann@local.example")), "ok");
  EXPECT_EQ(Text(MailVerdict(site, Facts(Who::kNobody, kLocal), "bob@far.example")), "ok");
  EXPECT_EQ(Text(MailVerdict(site, Facts(Who::kAnn, kForeign), "bob@far.example")), "ok");
  EXPECT_EQ(Text(MailVerdict(site, Facts(Who::kNobody, kForeign), "any@gw.example")), "ok");
}

TEST_F(RulesTest, RcptTable) {
  struct Row {
    Who who;
    const char* client;
    std::string address;
    const char* verdict;
  };
  for (const Row& row : std::vector<Row>{
           // For us: from anybody.
           {Who::kNobody, kForeign, "any@gw.example", "gateway gw.example"},
           {Who::kNobody, kForeign, "any@GW.Example", "gateway gw.example"},
           {Who::kNobody, kForeign, "any@xn--mnchen-3ya.example", "gateway gw.example"},
           {Who::kNobody, kForeign, "any@M\u00fcnchen.Example", "gateway gw.example"},
           {Who::kNobody, kForeign, "any@local.example", "local local.example"},
           {Who::kNobody, kForeign, "any@relay.example", "remote relay.example"},
           {Who::kNobody, kForeign, "\"odd one\"@gw.example", "gateway gw.example"},
           {Who::kNobody, kForeign, "sales@listed.example", "local listed.example"},
           {Who::kNobody, kForeign, "nobody@listed.example", "local-recipient 550 5.1.1"},
           // [RFC5321 4.5.1]
           {Who::kNobody, kForeign, "postmaster", "local local.example"},
           {Who::kNobody, kForeign, "PostMaster", "local local.example"},
           // Not for us: from those who may relay.
           {Who::kNobody, kForeign, "bob@far.example", "AU-24 550 5.7.1"},
           {Who::kNobody, kLocal, "bob@far.example", "AU-24 550 5.7.1"},
           {Who::kNobody, kTrusted, "bob@far.example", "remote far.example"},
           {Who::kNobody, "2001:db8::1", "bob@far.example", "remote far.example"},
           {Who::kAnn, kForeign, "bob@FAR.example", "remote far.example"},
           {Who::kAnn, kForeign, "bob@[198.51.100.7]", "remote [198.51.100.7]"},
           {Who::kGateway, kForeign, "bob@far.example", "remote far.example"},
           // Look-alikes of our domains.
           {Who::kNobody, kForeign, "any@sub.gw.example", "AU-24 550 5.7.1"},
           {Who::kNobody, kForeign, "any@notgw.example", "AU-24 550 5.7.1"},
           {Who::kNobody, kForeign, "any@gw.example.far.example", "AU-24 550 5.7.1"},
           {Who::kNobody, kForeign, "any@example", "AU-24 550 5.7.1"},
           {Who::kNobody, kForeign, "any@gw.example.", "PL-4 501 5.1.3"},
           {Who::kNobody, kForeign, "any@.gw.example", "PL-4 501 5.1.3"},
           {Who::kNobody, kForeign,
            "any@gw\xef\xbc\x8e"
            "example@far.example",
            "PL-4 501 5.1.3"},
           // Routes inside of the local part.
           {Who::kNobody, kForeign, "bob%far.example@gw.example", "AU-24 550 5.7.1"},
           {Who::kNobody, kForeign, "bob%far.example@local.example", "AU-24 550 5.7.1"},
           {Who::kNobody, kForeign, "far.example!bob@relay.example", "AU-24 550 5.7.1"},
           {Who::kNobody, kForeign, "\"bob@far.example\"@gw.example", "AU-24 550 5.7.1"},
           {Who::kNobody, kForeign, "\"bob%far.example\"@gw.example", "AU-24 550 5.7.1"},
           {Who::kNobody, kForeign, "\"far::bob\"@gw.example", "AU-24 550 5.7.1"},
           {Who::kAnn, kForeign, "bob%far.example@gw.example", "AU-24 550 5.7.1"},
           {Who::kAnn, kForeign, "bob%odd@far.example", "remote far.example"},
           {Who::kNobody, kForeign, "bob%gw.example@far.example", "AU-24 550 5.7.1"},
           // Literals.
           {Who::kNobody, kForeign, "any@[192.0.2.25]", "AU-24 550 5.7.1"},
           {Who::kAnn, kForeign, "any@[192.0.2.25]", "AU-24 550 5.7.1"},
           {Who::kAnn, kForeign, "any@[127.0.0.2]", "AU-24 550 5.7.1"},
           {Who::kAnn, kForeign, "any@[0.0.0.0]", "AU-24 550 5.7.1"},
           {Who::kAnn, kForeign, "any@[IPv6:::1]", "AU-24 550 5.7.1"},
           {Who::kAnn, kForeign, "any@[IPv6:::ffff:127.0.0.1]", "AU-24 550 5.7.1"},
           {Who::kNobody, kForeign, "bob@[198.51.100.7]", "AU-24 550 5.7.1"},
           // No addresses at all.
           {Who::kAnn, kForeign, "", "PL-4 501 5.1.3"},
           {Who::kAnn, kForeign, "ann", "PL-4 501 5.1.3"},
           {Who::kAnn, kForeign, "@gw.example", "PL-4 501 5.1.3"},
           {Who::kAnn, kForeign, "any@", "PL-4 501 5.1.3"},
           {Who::kAnn, kForeign, "any@gw.example@far.example", "PL-4 501 5.1.3"},
           {Who::kAnn, kForeign, "any@far.example\0@gw.example"s, "PL-4 501 5.1.3"},
           {Who::kAnn, kForeign, "any@gw.example\r\nRCPT TO:<x@y>", "PL-4 501 5.1.3"},
           {Who::kAnn, kForeign, "@far.example:any@gw.example", "PL-4 501 5.1.3"},
           {Who::kAnn, kForeign, "\xff@gw.example", "PL-4 501 5.1.3"},
       }) {
    EXPECT_EQ(Rcpt(row.who, row.client, row.address), row.verdict)
        << row.client << " " << row.address;
  }
}

TEST_F(RulesTest, PostmasterWithoutLocalDomainsIsNobody) {
  config_.clear_local_domains();
  EXPECT_EQ(RcptText(RcptVerdict(Site(config_), Facts(Who::kNobody, kForeign), "postmaster")),
            "AU-24 550 5.1.1");
}

TEST_F(RulesTest, ScopeNamesWhatTheVerdictDependsOn) {
  const auto mail = [this](Who who, const std::string& sender) {
    return Dependence(MailVerdict(site_, Facts(who, kForeign), sender));
  };
  EXPECT_EQ(mail(Who::kNobody, "bob@far.example"), "client sender-domain ");
  EXPECT_EQ(mail(Who::kAnn, "ann@local.example"), "sender ");
  EXPECT_EQ(mail(Who::kAnn, ""), "sender-domain ");
  EXPECT_EQ(mail(Who::kGateway, "any@gw.example"), "sender-domain ");
  EXPECT_EQ(mail(Who::kNobody, "not an address"), "all");

  const auto rcpt = [this](Who who, const std::string& address) {
    return Dependence(RcptVerdict(site_, Facts(who, kForeign), address));
  };
  EXPECT_EQ(rcpt(Who::kNobody, "any@gw.example"), "");
  EXPECT_EQ(rcpt(Who::kNobody, "bob@far.example"), "client ");
  EXPECT_EQ(rcpt(Who::kAnn, "bob@far.example"), "");
  EXPECT_EQ(rcpt(Who::kNobody, "sales@listed.example"), "recipient ");
  EXPECT_EQ(rcpt(Who::kNobody, "not an address"), "all");
}

TEST_F(RulesTest, ClientIsNoPartOfTheScopeWithoutNetworks) {
  config_.clear_local_networks();
  config_.clear_trusted_networks();
  const Site site(config_);
  EXPECT_EQ(Dependence(MailVerdict(site, Facts(Who::kNobody, kForeign), "bob@far.example")),
            "sender-domain ");
  EXPECT_EQ(Dependence(RcptVerdict(site, Facts(Who::kNobody, kForeign), "bob@far.example")), "");
}

TEST_F(RulesTest, CollectedMailIsNotJudgedByItsSender) {
  for (const std::string client : {kForeign, kLocal, kTrusted}) {
    const v1::SessionFacts facts = Facts(Who::kNobody, client, v1::LISTENER_ROLE_COLLECTION);
    EXPECT_EQ(Text(MailVerdict(site_, facts, "ann@local.example")), "ok");
    EXPECT_EQ(Text(MailVerdict(site_, facts, "x@gw.example")), "ok");
    EXPECT_EQ(Text(MailVerdict(site_, facts, "")), "ok");
    EXPECT_EQ(Text(MailVerdict(site_, facts, "no mailbox")), "PL-4 501 5.1.7");
  }
}

TEST_F(RulesTest, CollectedMailIsForUsAlone) {
  for (const std::string client : {kForeign, kTrusted}) {
    const v1::SessionFacts facts = Facts(Who::kNobody, client, v1::LISTENER_ROLE_COLLECTION);
    EXPECT_EQ(Text(RcptVerdict(site_, facts, "x@local.example")), "ok");
    EXPECT_EQ(Text(RcptVerdict(site_, facts, "x@gw.example")), "ok");
    EXPECT_EQ(Text(RcptVerdict(site_, facts, "x@relay.example")), "ok");
    EXPECT_EQ(Text(RcptVerdict(site_, facts, "x@elsewhere.example")), "AU-24 550 5.7.1");
    EXPECT_EQ(Text(RcptVerdict(site_, facts, "nobody@listed.example")),
              "local-recipient 550 5.1.1");
  }
}

}  // namespace
}  // namespace turnpike::auth
