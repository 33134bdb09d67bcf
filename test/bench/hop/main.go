// Command hop measures what sealcar adds to a request, beside other hops of the
// same kind, and writes docs/benchmarks.md with its charts. It runs everything in
// one go: an upstream, the real binary in front of it, nginx, a small net/http
// handler and an httputil.ReverseProxy; the variants take turns in short rounds, so
// that what else the machine does falls on all of them alike.
//
// What is compared with what. The upstream is part of this program. It answers in
// clear what came in clear; to a sealed request it agrees on the key and seals the
// reply, which is what an enclave cannot do without. Its share is in the "direct"
// variants: direct-clear sends a chat in clear straight to it, direct-sealed one
// that was sealed once before the run (and does not open the reply). What a hop adds
// is its time less that of the direct variant of the same form, in the same round.
// "sealcar, unsealed" is a path that unsafe_plaintext_paths lets through: all of the
// hop and none of the protocol.
//
// Two parts can be run alone: `hop streams` holds many slow streams open (streams.go,
// `make streams`), and `hop soak` lets mixed traffic through both real commands for
// half an hour and judges every reply (soak.go, `make soak`).
//
// Start at bench.go. Run by `make bench` from the top of the tree.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "hop:", err)
		os.Exit(1)
	}
}

// run is the test, or one of the processes that a test starts.
func run(ctx context.Context, args []string, progress io.Writer) error {
	command := "bench"
	if len(args) > 0 && args[0][0] != '-' {
		command, args = args[0], args[1:]
	}
	flags := flag.NewFlagSet("hop "+command, flag.ContinueOnError)
	flags.SetOutput(progress)
	binary := flags.String("sealcar", "bin/sealcar", "the binary to be measured")
	switch command {
	case "bench":
		o := options{progress: progress}
		flags.BoolVar(&o.quick, "quick", false, "few and short rounds: to see that all of it works")
		flags.StringVar(&o.docs, "docs", "docs", "where benchmarks.md and the charts are written")
		flags.StringVar(&o.crypto, "crypto", "", "a file with the output of make bench-crypto, to be reported too")
		if err := flags.Parse(args); err != nil {
			return err
		}
		o.binary = *binary
		return bench(ctx, o)
	case "streams":
		p := thorough()
		flags.IntVar(&p.streams, "streams", p.streams, "open at a time")
		flags.DurationVar(&p.streamGap, "gap", p.streamGap, "between two events of a stream")
		flags.IntVar(&p.streamEvery, "events", p.streamEvery, "of each stream")
		if err := flags.Parse(args); err != nil {
			return err
		}
		return streamsAlone(ctx, *binary, p, progress)
	case "soak":
		o := soaking{out: progress}
		flags.DurationVar(&o.span, "for", 30*time.Minute, "how long the traffic lasts")
		flags.DurationVar(&o.every, "every", 5*time.Second, "between two samples")
		flags.IntVar(&o.workers, "applications", 24, "at a time")
		flags.DurationVar(&o.pause, "pause", 100*time.Millisecond, "between two requests of an application, at most")
		flags.StringVar(&o.docs, "docs", "", "where soak.md and its chart are written; nowhere by default")
		if err := flags.Parse(args); err != nil {
			return err
		}
		o.binary = *binary
		return o.run(ctx)
	case "upstream", "plain", "reverse":
		var c child
		c.flags(flags)
		if err := flags.Parse(args); err != nil {
			return err
		}
		return c.serve(ctx, command)
	default:
		return errors.New("there are bench, the default, streams and soak; not " + command)
	}
}
