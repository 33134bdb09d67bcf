// Package socket reads and writes TCP connections without telling Go's scheduler
// of each system call.
//
// The scheduler wants to know of system calls because they may block: it would
// then give the processor to another thread. Those on a socket of package net
// never do, but package syscall announces them all the same, and the first one
// after a pause has to wake the scheduler's watching thread (sysmon), which sleeps
// while nothing runs. That is a futex and an interrupt of another processor
// between an event's arrival and its first byte being looked at; on small
// machines it costs as much as the rest of the way through a hop. Linux only:
// elsewhere, and for what is no TCP connection, Direct changes nothing.
//
// The watching thread also interrupts what computes for long. So that it is awake
// when there is much to compute, large reads and writes are left to package net.
package socket
