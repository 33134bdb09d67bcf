// Package hardening keeps what the process holds in memory, contents and keys,
// from other processes of the same user and from core files.
//
// Start at HideMemory, which is for every process that will hold a secret, as
// early as can be. DenyCores says the same of core files alone, by a limit that
// children inherit: whoever starts children that are not ours calls it after
// that, or not at all.
//
// Both are about other users and about accidents. Root on the machine, and
// whoever holds CAP_SYS_PTRACE, reads memory all the same.
//
// Source: prctl(2) PR_SET_DUMPABLE, ptrace(2) "Ptrace access mode checking",
// core(5), setrlimit(2) RLIMIT_CORE.
package hardening
