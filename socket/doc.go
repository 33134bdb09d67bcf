// Package socket reads and writes TCP connections without telling Go's scheduler
// of each system call (start at Direct), and tells of clients that have gone without
// reading their connections (Watcher, on Linux).
//
// The scheduler wants to know of system calls because they may block: it would
// then give the processor to another thread. Those on a socket of package net
// never do, but package syscall announces them all the same, and the first one
// after a pause has to wake the scheduler's watching thread (sysmon), which sleeps
// while nothing runs. That is a futex and an interrupt of another processor
// between the arrival of an event and the first look at it, and on a machine with
// few processors costs as much as the rest of the way through a hop.
//
// The watching thread is also what interrupts goroutines that compute for long. So
// that it is awake when there is much to compute, reads of Large and more, which
// bodies of some size come by, are left to package net, and so are such writes. TLS
// writes records, which are smaller. Any other system call, such as that of the log,
// wakes it too.
//
// What is no TCP connection, and other systems than Linux on amd64 and arm64, keep
// what package net does.
package socket
