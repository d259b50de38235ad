//===- guard.cpp - Files that are truncated while mapped ------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#include "guard.h"
#include "error.h"
#include "mapping.h"

#include <cerrno>
#include <csignal>
#include <cstring>
#include <new>
#include <pthread.h>
#include <sys/mman.h>

namespace nestor::detail {

static std::atomic<GuardedRange *> ranges{nullptr};
/// For what follows, and for changing the list.
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static unsigned guards = 0;
static bool installed = false;
/// Written while our handler is not installed.
static struct sigaction previous;
/// The handler must not call sysconf.
static uintptr_t pageMask = 0;

/// Whether the address lies in the range, whose end it returns. An entry that
/// is given to another range meanwhile has another end, or holds the address in
/// truth.
static bool holds(const GuardedRange &range, uintptr_t address, uintptr_t &end) {
  end = range.end.load(std::memory_order_acquire);
  uintptr_t begin = range.begin.load(std::memory_order_acquire);
  return begin <= address && address < end && range.end.load(std::memory_order_acquire) == end;
}

/// Runs inside the signal handler. What lies behind a page that a file has lost
/// is lost too.
static bool replace_lost_pages(uintptr_t address) {
  for (GuardedRange *range = ranges.load(std::memory_order_acquire); range; range = range->next) {
    uintptr_t end;
    if (!holds(*range, address, end))
      continue;
    range->lostPages.store(true, std::memory_order_release);
    uintptr_t page = address & pageMask;
    void *zeros = mmap(reinterpret_cast<void *>(page), end - page, PROT_READ,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    return zeros != MAP_FAILED;
  }
  return false;
}

static void on_bus_error(int number, siginfo_t *info, void *context) {
  int saved = errno;
  bool ours = replace_lost_pages(reinterpret_cast<uintptr_t>(info->si_addr));
  errno = saved;
  if (ours)
    return;
  if (previous.sa_flags & SA_SIGINFO) {
    previous.sa_sigaction(number, info, context);
  } else if (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN) {
    previous.sa_handler(number);
  } else if (previous.sa_handler == SIG_DFL || info->si_code > 0) {
    // Back to what was there: the access is repeated and meets it, and a
    // signal that was sent is sent again.
    sigaction(SIGBUS, &previous, nullptr);
    if (info->si_code <= 0)
      raise(number);
  }
}

/// Whether SIGBUS has the action of before the first handler: nobody who might
/// pass anything on to us.
static bool is_unhandled() {
  struct sigaction current;
  return sigaction(SIGBUS, nullptr, &current) == 0 && !(current.sa_flags & SA_SIGINFO) &&
         (current.sa_handler == SIG_DFL || current.sa_handler == SIG_IGN);
}

static Status install() {
  // A handler over ours is trusted to pass on what is not its own. To put ours
  // over it once more would make the two call each other forever.
  if (installed && !is_unhandled())
    return Status();
  pageMask = ~static_cast<uintptr_t>(page_size() - 1);
  struct sigaction action;
  std::memset(&action, 0, sizeof action);
  action.sa_sigaction = on_bus_error;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
  sigemptyset(&action.sa_mask);
  // First, because the handler may run before `sigaction` returns.
  if (sigaction(SIGBUS, nullptr, &previous) != 0 || sigaction(SIGBUS, &action, nullptr) != 0)
    return error(StatusCode::io_error, "guard: sigaction: %s", std::strerror(errno));
  installed = true;
  return Status();
}

/// A handler that was installed over ours may call it, so then it stays.
static void uninstall() {
  struct sigaction current;
  if (sigaction(SIGBUS, nullptr, &current) != 0 || !(current.sa_flags & SA_SIGINFO) ||
      current.sa_sigaction != on_bus_error)
    return;
  sigaction(SIGBUS, &previous, nullptr);
  installed = false;
}

/// A free entry of the list, or a new one; null without memory. Entries are
/// never freed, since a handler may be looking at them.
static GuardedRange *take_entry() {
  GuardedRange *first = ranges.load(std::memory_order_relaxed);
  for (GuardedRange *range = first; range; range = range->next)
    if (range->end.load(std::memory_order_relaxed) == 0)
      return range;
  auto *range = new (std::nothrow) GuardedRange;
  if (!range)
    return nullptr;
  range->next = first;
  ranges.store(range, std::memory_order_release);
  return range;
}

Result<GuardedRange *> guard_range(void *start, uint64_t size) {
  pthread_mutex_lock(&mutex);
  Status status = install();
  GuardedRange *range = status.ok() ? take_entry() : nullptr;
  if (range) {
    ++guards;
    auto begin = reinterpret_cast<uintptr_t>(start);
    range->lostPages.store(false, std::memory_order_relaxed);
    range->begin.store(begin, std::memory_order_release);
    range->end.store(begin + size, std::memory_order_release);
  } else if (status.ok()) {
    status = error(StatusCode::out_of_memory, "guard: out of memory");
  }
  pthread_mutex_unlock(&mutex);
  return range ? Result<GuardedRange *>(range) : status;
}

void shrink_guard(GuardedRange *range, uint64_t size) {
  range->end.store(range->begin.load(std::memory_order_relaxed) + size, std::memory_order_release);
}

void unguard_range(GuardedRange *range) {
  pthread_mutex_lock(&mutex);
  range->end.store(0, std::memory_order_release);
  if (--guards == 0)
    uninstall();
  pthread_mutex_unlock(&mutex);
}

} // namespace nestor::detail
