package revocation

import (
	"strings"
	"time"
)

// Verdict is what is known about revocation.
type Verdict string

// The verdicts. The zero Verdict means that nobody has asked.
const (
	Good    Verdict = "good"
	Revoked Verdict = "revoked"
	Unknown Verdict = "unknown"
)

// Status is the answer for one path or one certificate of it.
type Status struct {
	Verdict    Verdict
	Reason     string    // why it is not Good; "" if it is
	NextUpdate time.Time // Good may be relied on until then; zero for other verdicts
	Due        time.Time // when it is worth asking again
}

// both joins what several certificates of a path are: all of them have to be good.
func both(a, b Status) Status {
	s := worse(a, b)
	s.Due = sooner(a.Due, b.Due)
	s.NextUpdate = time.Time{}
	if s.Verdict == Good {
		s.NextUpdate = sooner(a.NextUpdate, b.NextUpdate)
	}
	if a.Verdict == b.Verdict {
		s.Reason = joinReasons(a.Reason, b.Reason)
	}
	return s
}

func worse(a, b Status) Status {
	if rank(b.Verdict) > rank(a.Verdict) {
		return b
	}
	return a
}

func rank(v Verdict) int {
	switch v {
	case Good:
		return 0
	case Revoked:
		return 2
	default:
		return 1
	}
}

// either joins what several sources say about one certificate: revoked wins
// over good, good over not knowing.
func either(a, b Status) Status {
	due := sooner(a.Due, b.Due)
	var s Status
	switch {
	case a.Verdict == Revoked:
		s = a
	case b.Verdict == Revoked:
		s = b
	case a.Verdict == Good && b.Verdict == Good:
		s = a
		if b.NextUpdate.After(a.NextUpdate) {
			s = b
		}
	case a.Verdict == Good:
		s = a
	case b.Verdict == Good:
		s = b
	default:
		s = Status{Verdict: Unknown, Reason: joinReasons(a.Reason, b.Reason)}
	}
	s.Due = due
	return s
}

func sooner(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func joinReasons(reasons ...string) string {
	var said []string
	for _, r := range reasons {
		if r != "" {
			said = append(said, r)
		}
	}
	return strings.Join(said, "; ")
}
