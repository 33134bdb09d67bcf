package main

import "strings"

// reasons say why a target may not be met and what was tried, by how the names of
// verdicts begin. The page has those of the targets that its run did not meet.
// Whoever finds a way takes the line out.
func reasons() []struct{ what, why string } {
	return []struct{ what, why string }{
		{"the whole sidecar, sealed", "Most of it is system calls, and the keys of the next request. " +
			"Taken: a server of our own for plain requests (package downstream; net/http's starts a goroutine with each request, to see the client go, which wakes a thread: the hop unsealed added 100 µs so and 76 without), " +
			"a pool of our own towards the upstream, one write for a request. Traced, a request is now four reads, two writes, two waits and a look whether the upstream's connection is quiet, on one thread."},
		{"sealing on top of the same hop", "The sealing itself takes less than a microsecond when keys are ahead (first row). But each request spends one, and with one connection asking again at once " +
			"the next is made meanwhile, by some 45 µs of the two processors that load, hop and upstream share. Quick runs gave 10.8 and 67.9 µs. " +
			"Tried: a refill at a low-water mark (taken), and after every request (gained nothing)."},
		{"CPU for each sealed 1 KiB request", "The key agreement is 45 % of it (profile), and nothing of that can be saved by making it ahead. " +
			"A table of multiples of the endpoint's key could save a quarter of it, with curve arithmetic of our own: not taken. " +
			"Tried: a pace for the collector (taken), one write for a request (taken), a profile for the compiler (0.92 to 1.03 of the CPU, which is the noise; not taken)."},
		{"CPU of the hop alone", "With 32 connections 45 % of it is system calls and waiting for them (profile), which nginx has too; 12 % net/http's reading and writing of heads, 6 % TLS, 4 % the log, 4 % the collector. " +
			"Taken: a server of our own for plain requests and a pool towards the upstream, system calls past the scheduler, fewer deadlines. Nothing else of it is over 3 %."},
		{"an event, added", "Runs gave between 0.92 and 1.32 times nginx's. Traced, an event is an epoll_pwait, a read and a write on one thread, as in nginx, and then Go's poller looks twice more before it waits. " +
			"Tried: system calls without the scheduler, which woke a thread for each event (taken), one write for each event, and smaller buffers (both taken)."},
		{"time to the first event", "It is asked for after a pause, with cold caches: reading a request took 8 µs when they follow each other and 120 to 145 µs 80 ms later (execution trace, with net/http's server), " +
			"and no function stands out (perf). The net/http handler has most of that too. The headers go with the first event, in one write. " +
			"Traced, two more threads are woken on the way: by the first system call after a pause (here a look at the certificate's file) and by the first timer of a stream; without both it would be some 40 µs less (tried side by side; not taken: a look ahead of need, and one timer for all streams)."},
		{"delay of their events, p99", "2,000 events a second come in bursts to two processors that load, hop and upstream share; direct ones alone had between 0.5 and 10 ms in different runs, and the ratio was between 0.6 and 3.9."},
		{"memory of an open stream", "It was 53 KiB with net/http's server and its buffers, and 34 without. Between two collections it varies by 5. " +
			"Tried: smaller buffers (taken, 6 KiB), a tighter pace for the collector with many streams (taken at 40 %; 30 % gained nothing)."},
		{"growth in bytes", "Runs gave between 0.86 and 1.62, by the largest size: 16 MiB took between 36 and 71 ms of CPU, and each smaller size is in line. nginx, which only copies, is not linear there either on this machine (its figure stands beside)."},
		{"1 MiB of turns", "Of its time jsontext takes 32 % (profile), nearly all of it byte by byte through strings, for escapes and UTF-8: by itself that is 0.6 of the floor, and a faster one of our own would have to see all that it sees. " +
			"Unquoting, with an escape every 27 bytes, is 24 %, GCM 19 % (each string has a start and a tag), new memory and its collection 6 %, base64 4 %. As one string of 1 MiB it is about 1.5. " +
			"Tried: fewer copies of what the scan reports (taken: 13 % of reading 10,000 short turns, nothing that could be measured here), unquoting by words of eight bytes " +
			"(one form a tenth faster on this text alone, another three times as slow on short lines) and by masks of 64 (slower), a profile for the compiler (no gain seen), a lazier collector (at most 3 %)."},
	}
}

// unmet lists the reasons that a page needs; "" if it needs none.
func unmet(all []verdict) string {
	var b strings.Builder
	for _, v := range all {
		for _, r := range reasons() {
			if v.met() == "no" && strings.HasPrefix(v.what, r.what) {
				b.WriteString("- " + v.what + ": " + r.why + "\n")
			}
		}
	}
	if b.Len() == 0 {
		return ""
	}
	return "\nWhat is not met, why, and what was tried:\n\n" + b.String()
}
