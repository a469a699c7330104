// What ThreadSanitizer is not to report: memory that Debian's libraries, built without it, touch
// under locks and fences it cannot see. Races in our own code are reported as ever, also where gRPC
// calls it.

extern "C" const char* __tsan_default_suppressions();

extern "C" [[gnu::used]] const char* __tsan_default_suppressions() {
  return "called_from_lib:libabsl_graphcycles_internal.so\n"
         "called_from_lib:libabsl_synchronization.so\n"
         "called_from_lib:libgpr.so\n"
         "called_from_lib:libgrpc.so\n"
         "called_from_lib:libgrpc++.so\n"
         "called_from_lib:libprotobuf.so\n"
         "called_from_lib:librocksdb.so\n"
         "called_from_lib:libcares.so\n"
         "called_from_lib:libcrypto.so\n"
         "called_from_lib:libssl.so\n"
         "called_from_lib:libstdc++.so\n"
         "called_from_lib:libupb.so\n"
         // A report is dropped if one of its two stacks enters one of these. So never gRPC's: all
         // our callbacks are below it.
         "race:libabsl_\n"
         "race:librocksdb.so\n"
         // gRPC does not wait for its pools' threads at exit.
         "thread:libgpr.so\n";
}
