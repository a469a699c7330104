#include "services/gateway-dequeue/core/decision.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace turnpike::dequeue {
namespace {

config::v1::Config MakeConfig() {
  config::v1::Config config;
  const auto add = [&config](const std::string& domain, bool etrn, bool require_auth, bool atrn) {
    config::v1::Gateway* gateway = config.add_gateways();
    gateway->set_domain(domain);
    gateway->mutable_etrn()->set_enabled(etrn);
    gateway->mutable_etrn()->set_require_auth(require_auth);
    gateway->mutable_etrn()->set_deliver_to("requesting_host");
    gateway->mutable_etrn()->set_port(25);
    gateway->mutable_atrn()->set_enabled(atrn);
    gateway->mutable_atrn()->set_single_session(true);
    return gateway;
  };
  config::v1::Gateway* gateway = add("a.example", true, true, true);
  gateway->add_aliases("alias.example");
  gateway->add_aliases("xn--mnchen-3ya.example");
  add("sub.a.example", true, false, false);    // open, below a.example
  add("guarded.a.example", true, true, true);  // another's, below a.example
  add("b.example", true, true, true);
  add("off.example", false, true, false);
  gateway = add("open.example", true, false, false);
  gateway->mutable_access()->add_ignore_from("198.51.100.66");
  gateway = add("listed.example", true, false, true);
  gateway->mutable_access()->add_honor_from("192.0.2.0/24");
  gateway->mutable_access()->add_honor_from("2001:db8::/32");
  gateway->mutable_access()->add_ignore_from("192.0.2.66");
  return config;
}

class DecisionTest : public ::testing::Test {
 protected:
  static constexpr char kClient[] = "198.51.100.1";

  // `releases a.example sub.a.example`, or `459`.
  std::string Etrn(const std::string& login, const std::string& argument,
                   const std::string& client = kClient) const {
    v1::RequestEtrnRequest request;
    request.mutable_asker()->set_gateway_login(login);
    request.mutable_asker()->set_client_address(client);
    request.set_form(argument[0] == '@'   ? v1::ETRN_FORM_SUBDOMAINS
                     : argument[0] == '#' ? v1::ETRN_FORM_QUEUE
                                          : v1::ETRN_FORM_NODE);
    request.set_name(argument.substr(argument[0] == '@' || argument[0] == '#' ? 1 : 0));
    const EtrnDecision decision = DecideEtrn(gateways_, overrides_, request);
    if (decision.refusal.has_value()) {
      EXPECT_TRUE(decision.releases.empty());
      return absl::StrCat(decision.refusal->reply.code);
    }
    return absl::StrCat(
        "releases ",
        absl::StrJoin(decision.releases, " ", [](std::string* out, const EtrnRelease& release) {
          absl::StrAppend(out, release.gateway->domain());
        }));
  }

  // `grants a.example: a.example alias.example`, or `450`.
  std::string Atrn(const std::string& login, const std::vector<std::string>& domains,
                   const std::string& client = kClient) const {
    v1::AtrnBegin begin;
    begin.mutable_asker()->set_gateway_login(login);
    begin.mutable_asker()->set_client_address(client);
    for (const std::string& domain : domains) begin.add_domains(domain);
    const AtrnDecision decision = DecideAtrn(gateways_, overrides_, begin);
    if (decision.refusal.has_value()) {
      EXPECT_EQ(decision.grant.queues_size(), 0);
      return absl::StrCat(decision.refusal->reply.code);
    }
    EXPECT_EQ(decision.grant.queues_size(), 1);
    return absl::StrCat("grants ", decision.grant.queues(0).queue().name(), ": ",
                        absl::StrJoin(decision.grant.queues(0).recipient_domains(), " "));
  }

  mail::v1::Route RouteFor(const std::string& deliver_to) const {
    Gateway gateway;
    gateway.etrn_deliver_to = deliver_to;
    gateway.etrn_port = 2525;
    return EtrnRoute(gateway, "::ffff:198.51.100.1");
  }

  void Suspend(const std::string& domain) { overrides_.Add(SuspendedKey(domain), ""); }

  GatewayTable gateways_{MakeConfig()};
  Overrides overrides_;
};

TEST_F(DecisionTest, EtrnNodeTable) {
  // [DQ-13] As the gateway itself.
  EXPECT_EQ(Etrn("a.example", "a.example"), "releases a.example");
  EXPECT_EQ(Etrn("a.example", "alias.example"), "releases a.example");
  EXPECT_EQ(Etrn("a.example", "XN--mnchen-3ya.example"), "releases a.example");
  // As nobody, and as another.
  EXPECT_EQ(Etrn("", "a.example"), "530");
  EXPECT_EQ(Etrn("b.example", "a.example"), "459");
  EXPECT_EQ(Etrn("a.example", "guarded.a.example"), "459");
  // [DQ-10] What is switched off or unknown looks the same, to everybody.
  for (const char* login : {"", "a.example", "off.example"}) {
    EXPECT_EQ(Etrn(login, "off.example"), "459");
    EXPECT_EQ(Etrn(login, "nowhere.example"), "459");
    EXPECT_EQ(Etrn(login, "x.a.example"), "459");
    EXPECT_EQ(Etrn(login, "nota.example"), "459");
  }
  // Without authentication the access lists alone decide.
  EXPECT_EQ(Etrn("", "open.example"), "releases open.example");
  EXPECT_EQ(Etrn("b.example", "open.example"), "releases open.example");
}

TEST_F(DecisionTest, EtrnAccessTable) {
  EXPECT_EQ(Etrn("", "open.example", "198.51.100.66"), "459");
  EXPECT_EQ(Etrn("", "open.example", "::ffff:198.51.100.66"), "459");
  EXPECT_EQ(Etrn("", "listed.example", "192.0.2.1"), "releases listed.example");
  EXPECT_EQ(Etrn("", "listed.example", "2001:db8::7"), "releases listed.example");
  EXPECT_EQ(Etrn("", "listed.example", "198.51.100.1"), "459");
  EXPECT_EQ(Etrn("", "listed.example", "192.0.2.66"), "459");  // ignore wins
  EXPECT_EQ(Etrn("", "listed.example", ""), "459");
  EXPECT_EQ(Etrn("", "listed.example", "nonsense"), "459");
}

TEST_F(DecisionTest, EtrnSubdomainsTable) {
  // Its own and the open one below it; the guarded one belongs to somebody else.
  EXPECT_EQ(Etrn("a.example", "@a.example"), "releases a.example sub.a.example");
  EXPECT_EQ(Etrn("a.example", "@sub.a.example"), "releases sub.a.example");
  EXPECT_EQ(Etrn("a.example", "@alias.example"), "releases a.example");
  EXPECT_EQ(Etrn("guarded.a.example", "@guarded.a.example"), "releases guarded.a.example");
  EXPECT_EQ(Etrn("", "@open.example"), "releases open.example");
  // Wider than the asker's own.
  EXPECT_EQ(Etrn("a.example", "@example"), "459");
  EXPECT_EQ(Etrn("guarded.a.example", "@a.example"), "459");
  EXPECT_EQ(Etrn("b.example", "@a.example"), "459");
  // Nobody's, another's, and the suffix that is none (sendmail matches it).
  EXPECT_EQ(Etrn("", "@a.example"), "530");
  EXPECT_EQ(Etrn("a.example", "@off.example"), "459");
  EXPECT_EQ(Etrn("a.example", "@nowhere.example"), "459");
  EXPECT_EQ(Etrn("a.example", "@x.a.example"), "459");
  EXPECT_EQ(Etrn("a.example", "@ias.example"), "459");
}

TEST_F(DecisionTest, EtrnQueueTable) {
  EXPECT_EQ(Etrn("a.example", "#a.example"), "releases a.example");
  EXPECT_EQ(Etrn("a.example", "#alias.example"), "459");
  EXPECT_EQ(Etrn("a.example", "#b.example"), "459");
  EXPECT_EQ(Etrn("", "#a.example"), "530");
  EXPECT_EQ(Etrn("", "#nowhere.example"), "459");
}

// [RFC1985 5]
TEST_F(DecisionTest, EtrnNodeMustBeAFullDomainName) {
  for (const char* name :
       {"localhost", "a..example", "192.0.2.1", "../../x", "' OR 1=1", "*.com", "a.example."}) {
    EXPECT_EQ(Etrn("a.example", name), "501") << name;
  }
}

TEST_F(DecisionTest, EtrnRouteIsWhatDeliverToSays) {
  EXPECT_EQ(RouteFor("requesting_host").address(), "198.51.100.1");
  EXPECT_EQ(RouteFor("mx.a.example").domain(), "mx.a.example");
  EXPECT_EQ(RouteFor("[host.a.example]").host(), "host.a.example");
  EXPECT_EQ(RouteFor("192.0.2.9").address(), "192.0.2.9");
  EXPECT_EQ(RouteFor("[192.0.2.9]").address(), "192.0.2.9");
  EXPECT_EQ(RouteFor("2001:DB8::9").address(), "2001:db8::9");
  EXPECT_EQ(RouteFor("requesting_host").port(), 2525);
}

TEST_F(DecisionTest, EtrnRouteNamesTheLoginAndTheForeignTarget) {
  config::v1::Config config;
  config::v1::Gateway* entry = config.add_gateways();
  entry->set_domain("A.example");
  entry->mutable_etrn()->set_deliver_to("mx.a.example");
  entry->mutable_etrn()->mutable_auth()->set_username("turnpike");
  entry->mutable_etrn()->set_treat_target_as_foreign(true);
  entry = config.add_gateways();
  entry->set_domain("b.example");
  entry->mutable_etrn()->set_deliver_to("mx.b.example");
  const GatewayTable gateways(config);
  const mail::v1::Route with = EtrnRoute(*gateways.Find("a.example"), "");
  EXPECT_EQ(with.credential(), "gateways/a.example/etrn");  // DQ-15
  EXPECT_TRUE(with.treat_as_foreign());                     // DQ-17
  const mail::v1::Route without = EtrnRoute(*gateways.Find("b.example"), "");
  EXPECT_EQ(without.credential(), "");
  EXPECT_FALSE(without.treat_as_foreign());
}

// [DQ-61] As if for a while: 458 and 451, but only to those who may ask at all.
TEST_F(DecisionTest, SuspendedGatewaysAreRefusedForNow) {
  Suspend("a.example");
  Suspend("off.example");
  EXPECT_EQ(Etrn("a.example", "a.example"), "458");
  EXPECT_EQ(Etrn("a.example", "#a.example"), "458");
  EXPECT_EQ(Etrn("", "a.example"), "530");
  EXPECT_EQ(Etrn("b.example", "a.example"), "459");
  EXPECT_EQ(Etrn("off.example", "off.example"), "459");
  EXPECT_EQ(Atrn("a.example", {}), "451");
  EXPECT_EQ(Atrn("a.example", {"b.example"}), "450");
  EXPECT_EQ(Atrn("b.example", {}), "grants b.example: b.example");
  // The open one below it is not suspended.
  EXPECT_EQ(Etrn("a.example", "@a.example"), "releases sub.a.example");
  Suspend("sub.a.example");
  EXPECT_EQ(Etrn("a.example", "@a.example"), "458");
}

// [RFC1985 5.1]
TEST_F(DecisionTest, EtrnReplyHasTheTrueCount) {
  EXPECT_EQ(EtrnReply(0, "a.example").code(), 251);
  EXPECT_EQ(EtrnReply(14, "a.example").ToString(),
            "253 2.0.0 OK, 14 pending messages for node a.example started");
}

TEST_F(DecisionTest, AtrnTable) {
  EXPECT_EQ(Atrn("a.example", {}),
            "grants a.example: a.example alias.example "
            "xn--mnchen-3ya.example");
  EXPECT_EQ(Atrn("a.example", {"a.example"}), "grants a.example: a.example");
  EXPECT_EQ(Atrn("a.example", {"alias.example", "A.example", "a.example"}),
            "grants a.example: a.example alias.example");
  // [DQ-31] Not before AUTH.
  EXPECT_EQ(Atrn("", {}), "530");
  EXPECT_EQ(Atrn("", {"a.example"}), "530");
  // One that is not the login's, and there is nothing for any.
  EXPECT_EQ(Atrn("a.example", {"b.example"}), "450");
  EXPECT_EQ(Atrn("a.example", {"a.example", "b.example"}), "450");
  EXPECT_EQ(Atrn("a.example", {"sub.a.example"}), "450");
  EXPECT_EQ(Atrn("a.example", {"example"}), "450");
  EXPECT_EQ(Atrn("a.example", {"*.example"}), "450");
  EXPECT_EQ(Atrn("a.example", {"a.example."}), "450");
  EXPECT_EQ(Atrn("a.example", {""}), "450");
  // [DQ-30] [DQ-41] Not enabled, unknown, and not honored look the same.
  EXPECT_EQ(Atrn("off.example", {}), "450");
  EXPECT_EQ(Atrn("nowhere.example", {}), "450");
  EXPECT_EQ(Atrn("listed.example", {}, "198.51.100.1"), "450");
  EXPECT_EQ(Atrn("listed.example", {}, "192.0.2.66"), "450");
  EXPECT_EQ(Atrn("listed.example", {}, "192.0.2.1"), "grants listed.example: listed.example");
}

}  // namespace
}  // namespace turnpike::dequeue
