// All mechanisms: what they have in common, and GNU SASL's client against each.
#include "services/auth-service/core/sasl_exchange.h"

#include <gsasl.h>
#include <gtest/gtest.h>
#include <sodium.h>

#include <memory>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "services/auth-service/core/mechanisms.h"
#include "services/auth-service/core/sasl_cram_md5.h"
#include "services/auth-service/core/sasl_scram.h"
#include "services/auth-service/store/config_directory.h"
#include "services/common/credentials/crypto.h"

namespace turnpike::auth {
namespace {

using Kind = SaslStep::Kind;
using std::string_literals::operator""s;

std::string Argon2(const std::string& password) {
  char phc[crypto_pwhash_STRBYTES];
  EXPECT_EQ(crypto_pwhash_str(phc, password.data(), password.size(), crypto_pwhash_OPSLIMIT_MIN,
                              crypto_pwhash_MEMLIMIT_MIN),
            0);
  return phc;
}

std::string ScramText(const std::string& password) {
  const ScramVerifier made =
      MakeScramVerifier(HashKind::kSha256, password, "saltsaltsaltsalt", 4096);
  return absl::StrCat("SCRAM-SHA-256$4096:", ToBase64(made.salt), "$", ToBase64(made.stored_key),
                      ":", ToBase64(made.server_key));
}

std::string CramText(const std::string& password) {
  const CramMd5States states = MakeCramMd5States(password);
  return absl::StrCat("{CRAM-MD5}", absl::BytesToHexString(states.outer),
                      absl::BytesToHexString(states.inner));
}

constexpr ScramExchange::Variant kSha256{.name = "SCRAM-SHA-256"};
constexpr ScramExchange::Variant kSha256Plus{.name = "SCRAM-SHA-256-PLUS", .is_plus = true};

class SaslExchangeTest : public ::testing::Test {
 protected:
  // A directory with one account of each kind of verifier and one gateway; all with this password.
  static constexpr char kPassword[] = "p,w=d";

  static std::shared_ptr<const ConfigDirectory> Directory() {
    config::v1::Config config;
    for (const auto& [name, text] :
         {std::pair("plain", absl::StrCat("{PLAIN}", kPassword)),
          std::pair("argon2", Argon2(kPassword)), std::pair("scram", ScramText(kPassword)),
          std::pair("cram", CramText(kPassword))}) {
      config::v1::Account* account = config.add_accounts();
      account->set_address(absl::StrCat(name, "@example.org"));
      account->set_password(text);
    }
    config::v1::Gateway* gateway = config.add_gateways();
    gateway->set_domain("xn--mnchen-3ya.example");
    gateway->mutable_atrn()->set_password(absl::StrCat("{PLAIN}", kPassword));
    auto directory = ConfigDirectory::Create(config);
    EXPECT_TRUE(directory.ok()) << directory.status();
    return *std::move(directory);
  }

  static SaslInput Input() {
    static const auto* const directory = new std::shared_ptr<const ConfigDirectory>(Directory());
    return {.directory = *directory,
            .audience = {.accounts = true, .gateways = true},
            .nonce = "3rfcNHYJY1ZVvWVs7j",
            .now = absl::FromUnixSeconds(1'700'000'000),
            .hostname = "mail.example.org"};
  }

  static SaslStep Finish(SaslExchange& exchange, SaslStep step) {
    if (step.kind == Kind::kLookup) {
      const Login* found = Input().directory->Find(exchange.user(), exchange.audience());
      std::shared_ptr<const Login> login;
      if (found != nullptr) login = std::make_shared<Login>(*found);
      return Finish(exchange, exchange.OnLogin(std::move(login)));
    }
    return step.kind == Kind::kWork ? exchange.Work() : step;
  }

  static SaslStep Plain(const std::string& message) {
    auto exchange = MakeExchange(Mechanism::kPlain, Input());
    return Finish(*exchange, exchange->Start(message));
  }
};

TEST_F(SaslExchangeTest, PlainTakesEveryKindOfVerifier) {
  for (const char* user :
       {"plain@example.org", "argon2@example.org", "scram@example.org", "cram@example.org",
        "xn--mnchen-3ya.example", "M\u00fcnchen.EXAMPLE", "PLAIN@Example.ORG"}) {
    const SaslStep step = Plain(absl::StrCat("\0"s, user, "\0"s, kPassword));
    EXPECT_EQ(step.kind, Kind::kSuccess) << user << step.reason;
    EXPECT_EQ(step.identity.mechanism(), "PLAIN");
    for (const std::string& wrong : {"wrong"s, "p,w="s, "p,w=dd"s, std::string(500, 'x')}) {
      EXPECT_EQ(Plain(absl::StrCat("\0"s, user, "\0"s, wrong)).kind, Kind::kFailure) << user;
    }
  }
}

TEST_F(SaslExchangeTest, IdentityIsTheConfiguredName) {
  const SaslStep account = Plain(absl::StrCat("\0PLAIN@EXAMPLE.ORG\0"s, kPassword));
  EXPECT_EQ(account.identity.kind(), v1::Identity::KIND_ACCOUNT);
  EXPECT_EQ(account.identity.name(), "plain@example.org");
  const SaslStep gateway = Plain(absl::StrCat("\0XN--MNCHEN-3YA.example\0"s, kPassword));
  EXPECT_EQ(gateway.identity.kind(), v1::Identity::KIND_GATEWAY);
  EXPECT_EQ(gateway.identity.name(), "xn--mnchen-3ya.example");
}

TEST_F(SaslExchangeTest, PlainRefusesBadMessages) {
  const std::string user = "plain@example.org";
  for (const std::string& message :
       {""s, "\0"s, "\0\0"s, "\0\0\0"s, absl::StrCat("\0"s, user, "\0"s),
        absl::StrCat("\0"s, "\0"s, kPassword), absl::StrCat(user, "\0"s, kPassword),
        absl::StrCat("\0"s, user, "\0"s, kPassword, "\0"s), absl::StrCat("\0"s, user),
        absl::StrCat("other@example.org\0"s, user, "\0"s, kPassword),
        absl::StrCat("\0"s, std::string(321, 'u'), "\0"s, kPassword),
        absl::StrCat("\0"s, user, "\0"s, std::string(1025, 'p')), std::string(100'000, '\0')}) {
    EXPECT_EQ(Plain(message).kind, Kind::kFailure) << absl::CHexEscape(message.substr(0, 80));
  }
}

TEST_F(SaslExchangeTest, AuthorizationIdentityMayRepeatTheUser) {
  EXPECT_EQ(Plain(absl::StrCat("plain@example.org\0plain@example.org\0"s, kPassword)).kind,
            Kind::kSuccess);
}

TEST_F(SaslExchangeTest, LoginAsksForUserAndPassword) {
  auto exchange = MakeExchange(Mechanism::kLogin, Input());
  EXPECT_EQ(exchange->Start(std::nullopt).challenge, "Username:");
  EXPECT_EQ(exchange->Respond("plain@example.org").challenge, "Password:");
  EXPECT_EQ(Finish(*exchange, exchange->Respond(kPassword)).kind, Kind::kSuccess);
}

TEST_F(SaslExchangeTest, LoginTakesTheUserFromAnInitialResponse) {
  auto exchange = MakeExchange(Mechanism::kLogin, Input());
  EXPECT_EQ(exchange->Start("plain@example.org").challenge, "Password:");
  EXPECT_EQ(Finish(*exchange, exchange->Respond("wrong")).kind, Kind::kFailure);
}

TEST_F(SaslExchangeTest, LoginRefusesEmptyAndNulAnswers) {
  for (const std::string& user : {""s, "a\0b"s, std::string(321, 'u')}) {
    auto exchange = MakeExchange(Mechanism::kLogin, Input());
    exchange->Start(std::nullopt);
    EXPECT_EQ(exchange->Respond(user).kind, Kind::kFailure);
  }
  auto exchange = MakeExchange(Mechanism::kLogin, Input());
  exchange->Start("plain@example.org");
  EXPECT_EQ(exchange->Respond("").kind, Kind::kFailure);
}

TEST_F(SaslExchangeTest, SamePasswordLeavesTheSameMark) {
  const auto mark = [](const std::string& user, const std::string& password) {
    auto exchange = MakeExchange(Mechanism::kPlain, Input());
    exchange->Start(absl::StrCat("\0"s, user, "\0"s, password));
    return exchange->password_mark();
  };
  EXPECT_EQ(mark("a@example.org", "wrong"), mark("A@example.org", "wrong"));
  EXPECT_NE(mark("a@example.org", "wrong"), mark("a@example.org", "Wrong"));
  EXPECT_NE(mark("a@example.org", "wrong"), mark("b@example.org", "wrong"));
}

// The answers to an unknown user and to a wrong password are alike at every step.
TEST_F(SaslExchangeTest, UnknownUserGetsAsFarAsWrongPassword) {
  for (Mechanism mechanism : {Mechanism::kPlain, Mechanism::kLogin}) {
    for (const char* user : {"plain@example.org", "nobody@example.org"}) {
      auto exchange = MakeExchange(mechanism, Input());
      const SaslStep step = mechanism == Mechanism::kPlain
                                ? exchange->Start(absl::StrCat("\0"s, user, "\0wrong"s))
                                : (exchange->Start(user), exchange->Respond("wrong"));
      ASSERT_EQ(step.kind, Kind::kLookup) << user;
      const Login* found = Input().directory->Find(user, exchange->audience());
      const SaslStep after =
          exchange->OnLogin(found == nullptr ? nullptr : std::make_shared<const Login>(*found));
      EXPECT_EQ(after.kind, Kind::kWork) << user;
      EXPECT_EQ(exchange->Work().kind, Kind::kFailure) << user;
    }
  }
}

TEST_F(SaslExchangeTest, CramMd5ChallengeIsOneShortLineWithOurName) {
  SaslInput input = Input();
  input.hostname = std::string(255, 'h');
  CramMd5Exchange exchange(std::move(input));
  const SaslStep step = exchange.Start(std::nullopt);
  ASSERT_EQ(step.kind, Kind::kChallenge);
  EXPECT_LT(step.challenge.size(), 768u);
  EXPECT_EQ(step.challenge.find_first_of("\r\n"), std::string::npos);
  EXPECT_EQ(step.challenge.front(), '<');
  EXPECT_EQ(step.challenge.back(), '>');
}

TEST_F(SaslExchangeTest, CramMd5RefusesInitialResponseAndBadMessages) {
  EXPECT_EQ(CramMd5Exchange(Input()).Start("").kind, Kind::kNoInitialResponse);
  for (const std::string& response :
       {""s, " "s, "plain@example.org"s, "plain@example.org "s, "plain@example.org 0123"s,
        absl::StrCat(" ", std::string(32, 'a')), absl::StrCat("a\0b "s, std::string(32, 'a')),
        absl::StrCat(std::string(321, 'u'), " ", std::string(32, 'a')),
        std::string(100'000, ' ')}) {
    CramMd5Exchange exchange(Input());
    exchange.Start(std::nullopt);
    EXPECT_EQ(exchange.Respond(response).kind, Kind::kFailure);
  }
}

TEST_F(SaslExchangeTest, CramMd5DigestMayBeInUpperCase) {
  CramMd5Exchange exchange(Input());
  const std::string challenge = exchange.Start(std::nullopt).challenge;
  const std::string digest = CramMd5Digest(MakeCramMd5States(kPassword), challenge);
  EXPECT_EQ(Finish(exchange, exchange.Respond(
                                 absl::StrCat("cram@example.org ", absl::AsciiStrToUpper(digest))))
                .kind,
            Kind::kSuccess);
}

TEST_F(SaslExchangeTest, CramMd5EmptyPasswordOpensNobodysDoor) {
  for (const char* user : {"nobody@example.org", "argon2@example.org"}) {
    CramMd5Exchange exchange(Input());
    const std::string challenge = exchange.Start(std::nullopt).challenge;
    const std::string digest = CramMd5Digest(MakeCramMd5States(""), challenge);
    EXPECT_EQ(Finish(exchange, exchange.Respond(absl::StrCat(user, " ", digest))).kind,
              Kind::kFailure);
  }
}

// [RFC7677 3]
TEST(SaslScramTest, ExchangeIsThatOfRfc7677) {
  config::v1::Config config;
  config::v1::Account* account = config.add_accounts();
  account->set_address("user@example.org");
  const ScramVerifier made =
      MakeScramVerifier(HashKind::kSha256, "pencil", *FromBase64("W22ZaJ0SNY7soEsUEjb6gQ=="), 4096);
  account->set_password(absl::StrCat("SCRAM-SHA-256$4096:", ToBase64(made.salt), "$",
                                     ToBase64(made.stored_key), ":", ToBase64(made.server_key)));

  const std::shared_ptr<const ConfigDirectory> directory = *ConfigDirectory::Create(config);
  ScramExchange exchange(kSha256, {.directory = directory,
                                   .audience = {.accounts = true},
                                   .nonce = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"});
  ASSERT_EQ(exchange.Start("n,,n=user,r=rOprNGfwEbeRWgbNEkqO").kind, Kind::kLookup);
  EXPECT_EQ(exchange.user(), "user");
  // The RFC's user has no domain, which our account names need.
  const Login* login = directory->Find("user@example.org", {.accounts = true});
  ASSERT_NE(login, nullptr);
  EXPECT_EQ(exchange.OnLogin(std::make_shared<const Login>(*login)).challenge,
            "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
            "s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
  EXPECT_EQ(exchange
                .Respond("c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
                         "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
                .challenge,
            "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
  EXPECT_EQ(exchange.Respond("").kind, Kind::kSuccess);
}

TEST_F(SaslExchangeTest, ScramRefusesBadFirstMessages) {
  for (const std::string& message :
       {""s, "n"s, "n,"s, "n,,"s, "x,,n=plain@example.org,r=abc"s, "n,,r=abc,n=plain@example.org"s,
        "p=tls-exporter,,n=plain@example.org,r=abc"s, "n,,n=,r=abc"s, "n,,n=plain@example.org,r="s,
        "n,,n=plain@example.org,r=a b"s, "n,,n=a=b,r=abc"s, "n,,n=a=2c,r=abc"s, "n,,n=a\0b,r=abc"s,
        "n,,m=x,n=plain@example.org,r=abc"s, "n,a=other@example.org,n=plain@example.org,r=abc"s,
        "n,a=x"s, absl::StrCat("n,,n=plain@example.org,r=", std::string(257, 'r')),
        absl::StrCat("n,,n=", std::string(321, 'u'), ",r=abc"), std::string(100'000, 'n')}) {
    EXPECT_EQ(ScramExchange(kSha256, Input()).Start(message).kind, Kind::kFailure)
        << absl::CHexEscape(message.substr(0, 80));
  }
}

TEST_F(SaslExchangeTest, ScramRefusesBadFinalMessages) {
  const std::string nonce = absl::StrCat("abc", Input().nonce);
  const std::string proof = ToBase64(std::string(32, 'p'));
  for (const std::string& message :
       {""s, "c=biws"s, absl::StrCat("c=biws,r=", nonce), absl::StrCat("c=biws,r=", nonce, ",p="),
        absl::StrCat("c=biws,r=", nonce, ",p=!"), absl::StrCat("c=biws,r=abc,p=", proof),
        absl::StrCat("c=eSws,r=", nonce, ",p=", proof), absl::StrCat("r=", nonce, ",p=", proof),
        absl::StrCat("c=biws,r=", nonce, "x,p=", proof),
        absl::StrCat("c=biws,r=", nonce, ",p=", ToBase64(std::string(31, 'p')))}) {
    ScramExchange exchange(kSha256, Input());
    ASSERT_EQ(Finish(exchange, exchange.Start("n,,n=plain@example.org,r=abc")).kind,
              Kind::kChallenge);
    EXPECT_EQ(exchange.Respond(message).kind, Kind::kFailure) << message;
  }
}

TEST_F(SaslExchangeTest, ScramShowsUnknownUsersASteadySalt) {
  const auto challenge_for = [](const std::string& user) {
    ScramExchange exchange(kSha256, Input());
    return Finish(exchange, exchange.Start(absl::StrCat("n,,n=", user, ",r=abc"))).challenge;
  };
  EXPECT_EQ(challenge_for("nobody@example.org"), challenge_for("nobody@example.org"));
  EXPECT_EQ(challenge_for("nobody@example.org"), challenge_for("NOBODY@example.org"));
  EXPECT_NE(challenge_for("nobody@example.org"), challenge_for("nobody2@example.org"));
  EXPECT_NE(challenge_for("plain@example.org"), challenge_for("nobody@example.org"));
}

TEST_F(SaslExchangeTest, ScramNeedsAnEmptyLastAnswer) {
  // What an attacker could send instead of a proof must not matter after it either.
  ScramExchange exchange(kSha256, Input());
  ASSERT_EQ(Finish(exchange, exchange.Start("n,,n=plain@example.org,r=abc")).kind,
            Kind::kChallenge);
  EXPECT_EQ(exchange.Respond("").kind, Kind::kFailure);
}

// [RFC5802 6]
TEST_F(SaslExchangeTest, BindingThatWasTakenOutOfTheOfferIsNoticed) {
  SaslInput input = Input();
  const std::string first = "y,,n=plain@example.org,r=abc";
  EXPECT_EQ(ScramExchange(kSha256, input).Start(first).kind, Kind::kLookup);
  input.offers_binding = true;
  EXPECT_EQ(ScramExchange(kSha256, input).Start(first).kind, Kind::kFailure);
  EXPECT_EQ(ScramExchange(kSha256, input).Start("n" + first.substr(1)).kind, Kind::kLookup);
}

TEST_F(SaslExchangeTest, BindingMustBeOneThatWeHaveAndAgree) {
  SaslInput input = Input();
  input.bindings = {.exporter = std::string(32, 'e'), .server_end_point = std::string(32, 's')};
  input.offers_binding = true;
  const auto start = [&input](const std::string& flag) {
    return ScramExchange(kSha256Plus, input).Start(flag + ",,n=plain@example.org,r=abc").kind;
  };
  EXPECT_EQ(start("p=tls-exporter"), Kind::kLookup);
  EXPECT_EQ(start("p=tls-server-end-point"), Kind::kLookup);
  for (const char* flag : {"n", "y", "p=", "p=tls-unique", "p=TLS-EXPORTER"}) {
    EXPECT_EQ(start(flag), Kind::kFailure) << flag;
  }
  input.bindings.exporter.clear();
  EXPECT_EQ(start("p=tls-exporter"), Kind::kFailure);
}

// ------------------------------------------------------------------------------------- EXTERNAL

SaslStep External(const std::vector<std::string>& certificate, const std::string& name,
                  SaslInput input) {
  input.certificate_addresses = certificate;
  input.audience = {.accounts = true, .by_certificate = true};
  const std::shared_ptr<const LoginDirectory> directory = input.directory;
  auto exchange = MakeExchange(Mechanism::kExternal, std::move(input));
  EXPECT_EQ(exchange->Start(std::nullopt).challenge, "");
  SaslStep step = exchange->Respond(name);
  while (step.kind == Kind::kLookup) {
    const Login* found = directory->Find(exchange->user(), exchange->audience());
    step = exchange->OnLogin(found == nullptr ? nullptr : std::make_shared<const Login>(*found));
  }
  return step;
}

TEST_F(SaslExchangeTest, ExternalIsWhomTheCertificateNames) {
  const auto name_of = [](const SaslStep& step) {
    return step.kind == Kind::kSuccess ? step.identity.name() : "";
  };
  const std::string plain = "plain@example.org";
  EXPECT_EQ(name_of(External({plain}, "", Input())), plain);
  EXPECT_EQ(name_of(External({plain}, plain, Input())), plain);
  EXPECT_EQ(name_of(External({"PLAIN@example.ORG"}, plain, Input())), plain);
  EXPECT_EQ(name_of(External({"nobody@example.org", plain}, "", Input())), plain);
  EXPECT_EQ(name_of(External({plain, "scram@example.org"}, "scram@example.org", Input())),
            "scram@example.org");
  EXPECT_EQ(name_of(External({plain}, "scram@example.org", Input())), "");
  EXPECT_EQ(name_of(External({"nobody@example.org"}, "nobody@example.org", Input())), "");
  EXPECT_EQ(name_of(External({}, "", Input())), "");
  EXPECT_EQ(name_of(External({}, plain, Input())), "");
  EXPECT_EQ(name_of(External({plain}, plain + "\0"s, Input())), "");
  // A gateway's domain is no address.
  EXPECT_EQ(name_of(External({"xn--mnchen-3ya.example"}, "", Input())), "");
}

// ------------------------------------------------------------------------------------- GNU SASL

class GnuSaslTest : public SaslExchangeTest {
 protected:
  static constexpr char kExporter[] = "0123456789abcdef0123456789abcdef";

  GnuSaslTest() { EXPECT_EQ(gsasl_init(&gsasl_), GSASL_OK); }
  ~GnuSaslTest() override { gsasl_done(gsasl_); }

  // Plays the exchange with GNU SASL's client; true if both sides are content.
  bool Play(Mechanism mechanism, const std::string& user, const std::string& password,
            const std::string& their_exporter = kExporter) {
    Gsasl_session* client = nullptr;
    EXPECT_EQ(gsasl_client_start(gsasl_, std::string(MechanismName(mechanism)).c_str(), &client),
              GSASL_OK);
    gsasl_property_set(client, GSASL_AUTHID, user.c_str());
    gsasl_property_set(client, GSASL_PASSWORD, password.c_str());
    if (IsBound(mechanism)) {
      gsasl_property_set(client, GSASL_CB_TLS_EXPORTER, ToBase64(their_exporter).c_str());
    }
    SaslInput input = Input();
    input.bindings.exporter = kExporter;
    input.offers_binding = IsBound(mechanism);
    auto server = MakeExchange(mechanism, std::move(input));
    const bool succeeded = Play(client, *server);
    gsasl_finish(client);
    return succeeded;
  }

 private:
  static bool Play(Gsasl_session* client, SaslExchange& server) {
    SaslStep step = server.Start(std::nullopt);
    int code = GSASL_NEEDS_MORE;
    while (step.kind == Kind::kChallenge) {
      char* output = nullptr;
      size_t output_size = 0;
      code =
          gsasl_step(client, step.challenge.data(), step.challenge.size(), &output, &output_size);
      if (code != GSASL_OK && code != GSASL_NEEDS_MORE) return false;
      const std::string response(output, output_size);
      gsasl_free(output);
      step = Finish(server, server.Respond(response));
    }
    return step.kind == Kind::kSuccess && code == GSASL_OK;
  }

  Gsasl* gsasl_ = nullptr;
};

TEST_F(GnuSaslTest, ClientSucceedsWithTheRightPasswordOnly) {
  for (Mechanism mechanism :
       {Mechanism::kPlain, Mechanism::kLogin, Mechanism::kCramMd5, Mechanism::kScramSha1,
        Mechanism::kScramSha1Plus, Mechanism::kScramSha256, Mechanism::kScramSha256Plus}) {
    EXPECT_TRUE(Play(mechanism, "plain@example.org", kPassword)) << MechanismName(mechanism);
    EXPECT_TRUE(Play(mechanism, "xn--mnchen-3ya.example", kPassword)) << MechanismName(mechanism);
    EXPECT_FALSE(Play(mechanism, "plain@example.org", "wrong")) << MechanismName(mechanism);
    EXPECT_FALSE(Play(mechanism, "nobody@example.org", kPassword)) << MechanismName(mechanism);
  }
}

TEST_F(GnuSaslTest, ForeignChannelIsNoticed) {
  for (Mechanism mechanism : {Mechanism::kScramSha1Plus, Mechanism::kScramSha256Plus}) {
    EXPECT_FALSE(Play(mechanism, "plain@example.org", kPassword, std::string(32, 'x')));
  }
}

TEST_F(GnuSaslTest, StoredVerifiersServeTheirMechanisms) {
  EXPECT_TRUE(Play(Mechanism::kScramSha256, "scram@example.org", kPassword));
  EXPECT_FALSE(Play(Mechanism::kScramSha256, "scram@example.org", "wrong"));
  EXPECT_TRUE(Play(Mechanism::kCramMd5, "cram@example.org", kPassword));
  EXPECT_FALSE(Play(Mechanism::kCramMd5, "cram@example.org", "wrong"));
  EXPECT_FALSE(Play(Mechanism::kCramMd5, "scram@example.org", kPassword));
  EXPECT_FALSE(Play(Mechanism::kScramSha256, "argon2@example.org", kPassword));
}

}  // namespace
}  // namespace turnpike::auth
