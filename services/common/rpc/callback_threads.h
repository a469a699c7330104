// Keeps gRPC's callback threads.
#ifndef TURNPIKE_SERVICES_COMMON_RPC_CALLBACK_THREADS_H_
#define TURNPIKE_SERVICES_COMMON_RPC_CALLBACK_THREADS_H_

namespace turnpike::rpc {

// gRPC 1.51 ends the threads that run callbacks when the last channel or server that uses them
// goes, and joins them on the spot: a channel that is let go of within a callback joins its own
// thread and crashes, and one that goes while another comes races with it. After this has been
// called the threads live as long as the process, so that channels may go at any time and on any
// thread. Thread-safe; cheap when called again.
//
// gRPC 1.51 makes a thread for every two cores, two at least. They take turns at waiting for the
// network: each event wakes the thread that runs its callbacks and another one, to wait in its
// place. For a service that has little to do at a time this costs more than it brings, so three
// quarters of them are put to rest; on machines of up to 15 cores one is left.
void KeepCallbackThreads();

}  // namespace turnpike::rpc

#endif  // TURNPIKE_SERVICES_COMMON_RPC_CALLBACK_THREADS_H_
