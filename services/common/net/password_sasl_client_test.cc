#include "services/common/net/password_sasl_client.h"

#include <gsasl.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>

#include "services/common/net/stream.h"

namespace turnpike::net {
namespace {

constexpr char kUser[] = "gate.example.org";
constexpr char kPassword[] = "tanstaaf";

std::unique_ptr<SaslClient> Client(bool allow_clear_text = false) {
  return CreatePasswordSaslClient(
      {.user = kUser, .password = kPassword, .allow_clear_text = allow_clear_text});
}

TEST(PasswordSaslClientTest, ChoosesTheBestThatIsOffered) {
  const TlsFacts tls;
  EXPECT_EQ(Client()->Choose({"LOGIN", "PLAIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256"}, &tls),
            "SCRAM-SHA-256");
  EXPECT_EQ(Client()->Choose({"LOGIN", "PLAIN", "CRAM-MD5"}, &tls), "CRAM-MD5");
  EXPECT_EQ(Client()->Choose({"LOGIN", "PLAIN"}, &tls), "PLAIN");
  EXPECT_EQ(Client()->Choose({"GSSAPI", "XOAUTH2"}, &tls), std::nullopt);
}

TEST(PasswordSaslClientTest, ShowsThePasswordInClearOnlyWhereThatIsAllowed) {
  EXPECT_EQ(Client()->Choose({"PLAIN", "LOGIN"}, nullptr), std::nullopt);
  EXPECT_EQ(Client()->Choose({"PLAIN", "CRAM-MD5"}, nullptr), "CRAM-MD5");
  EXPECT_EQ(Client(true)->Choose({"PLAIN", "LOGIN"}, nullptr), "PLAIN");
}

TEST(PasswordSaslClientTest, PlainSaysAllAtOnce) {
  auto client = Client(true);
  client->Choose({"PLAIN"}, nullptr);
  const auto initial = client->Begin();
  ASSERT_TRUE(initial.ok()) << initial.status();
  EXPECT_EQ(*initial, std::string("\0gate.example.org\0tanstaaf", 26));
  EXPECT_TRUE(client->Finish().ok());
}

TEST(PasswordSaslClientTest, LoginAnswersTwoQuestions) {
  auto client = Client(true);
  client->Choose({"LOGIN"}, nullptr);
  EXPECT_EQ(*client->Begin(), std::nullopt);
  EXPECT_EQ(*client->Respond("User Name"), kUser);
  EXPECT_EQ(*client->Respond("Password"), kPassword);
  EXPECT_TRUE(client->Finish().ok());
}

TEST(PasswordSaslClientTest, CramMd5MatchesTheExampleOfItsRfc) {
  // [RFC2195 2]
  auto client = CreatePasswordSaslClient({.user = "tim", .password = "tanstaaftanstaaf"});
  client->Choose({"CRAM-MD5"}, nullptr);
  EXPECT_EQ(*client->Begin(), std::nullopt);
  EXPECT_EQ(*client->Respond("<1896.697170952@postoffice.reston.mci.net>"),
            "tim b913a602c7eda7a495b4e6e7334d3890");
}

// A server of the library's own, which knows the password.
class GsaslServer {
 public:
  explicit GsaslServer(const char* mechanism) {
    EXPECT_EQ(gsasl_init(&library_), GSASL_OK);
    gsasl_callback_set(library_, [](Gsasl*, Gsasl_session* session, Gsasl_property property) {
      if (property != GSASL_PASSWORD) return static_cast<int>(GSASL_NO_CALLBACK);
      gsasl_property_set(session, GSASL_PASSWORD, kPassword);
      return static_cast<int>(GSASL_OK);
    });
    EXPECT_EQ(gsasl_server_start(library_, mechanism, &session_), GSASL_OK);
  }
  ~GsaslServer() {
    gsasl_finish(session_);
    gsasl_done(library_);
  }

  std::string Step(const std::string& input) {
    char* output = nullptr;
    size_t size = 0;
    code = gsasl_step(session_, input.data(), input.size(), &output, &size);
    std::string result(output == nullptr ? "" : output, output == nullptr ? 0 : size);
    gsasl_free(output);
    return result;
  }

  int code = GSASL_NEEDS_MORE;

 private:
  Gsasl* library_ = nullptr;
  Gsasl_session* session_ = nullptr;
};

class ScramTest : public ::testing::TestWithParam<const char*> {};

TEST_P(ScramTest, BothSidesProveThemselves) {
  GsaslServer server(GetParam());
  auto client = Client();
  ASSERT_EQ(client->Choose({GetParam()}, nullptr), GetParam());
  const auto initial = client->Begin();
  ASSERT_TRUE(initial.ok()) << initial.status();
  const auto proof = client->Respond(server.Step(**initial));
  ASSERT_TRUE(proof.ok()) << proof.status();
  EXPECT_FALSE(client->Finish().ok());
  const std::string server_final = server.Step(*proof);
  EXPECT_EQ(server.code, GSASL_OK);
  EXPECT_EQ(*client->Respond(server_final), "");
  EXPECT_TRUE(client->Finish().ok());
}

TEST_P(ScramTest, WrongServerSignatureIsUnauthenticated) {
  GsaslServer server(GetParam());
  auto client = Client();
  client->Choose({GetParam()}, nullptr);
  const auto initial = client->Begin();
  const auto proof = client->Respond(server.Step(**initial));
  std::string server_final = server.Step(*proof);
  server_final[4] = server_final[4] == 'A' ? 'B' : 'A';
  EXPECT_EQ(client->Respond(server_final).status().code(), absl::StatusCode::kUnauthenticated);
  EXPECT_FALSE(client->Finish().ok());
}

TEST_P(ScramTest, TooManyIterationsAreNotDone) {
  GsaslServer server(GetParam());
  auto client = Client();
  client->Choose({GetParam()}, nullptr);
  std::string server_first = server.Step(**client->Begin());
  server_first.replace(server_first.find(",i="), std::string::npos, ",i=2000000000");
  EXPECT_EQ(client->Respond(server_first).status().code(), absl::StatusCode::kUnauthenticated);
}

INSTANTIATE_TEST_SUITE_P(Mechanisms, ScramTest, ::testing::Values("SCRAM-SHA-1", "SCRAM-SHA-256"));

}  // namespace
}  // namespace turnpike::net
