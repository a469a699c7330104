// The one translation unit that compiles asio's and its TLS layer's function bodies
// (ASIO_SEPARATE_COMPILATION); everything else sees declarations only, which saves much build time.
#include <asio/impl/src.hpp>
#include <asio/ssl/impl/src.hpp>
