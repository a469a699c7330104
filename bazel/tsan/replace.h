// Puts a function of ours in the place of a library's, in the whole process.
#ifndef TURNPIKE_BAZEL_TSAN_REPLACE_H_
#define TURNPIKE_BAZEL_TSAN_REPLACE_H_

#include <dlfcn.h>

#include <utility>

// Begins the definition of the function that is called instead of the library's `symbol`, by us and
// by all libraries: the program's own functions are found first. Real<name> is the library's.
#define TURNPIKE_REPLACE(result, name, symbol, ...)                                        \
  result name(__VA_ARGS__) asm(symbol);                                                    \
  template <typename... Arguments>                                                         \
  result Real##name(Arguments&&... arguments) {                                            \
    static auto* const real = reinterpret_cast<decltype(&name)>(dlsym(RTLD_NEXT, symbol)); \
    return real(std::forward<Arguments>(arguments)...);                                    \
  }                                                                                        \
  [[gnu::used]] result name(__VA_ARGS__)

// Where the program's code begins and ends, by the linker.
extern "C" const char __executable_start;
extern "C" const char etext;

namespace turnpike::tsan {

// Whether a function that returns to `address` was called by a library.
inline bool IsInLibrary(const void* address) {
  return address < &__executable_start || address >= &etext;
}

}  // namespace turnpike::tsan

#endif  // TURNPIKE_BAZEL_TSAN_REPLACE_H_
