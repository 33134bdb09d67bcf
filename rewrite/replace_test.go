package rewrite_test

import (
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"sealcar/rewrite"
)

// An event may become several, or none, however the body is cut into reads.
func TestEvents_ReplaceStandsForTheWholeEvent(t *testing.T) {
	t.Parallel()
	body := ": hello\n\nid: 7\ndata: none\n\ndata: two\ndata: lines\n\nevent: x\ndata: last\n\n"
	want := ": hello\n\n<two\nlines><two\nlines><last><last>end"
	for name, r := range map[string]io.Reader{"at once": strings.NewReader(body), "by bytes": iotest.OneByteReader(strings.NewReader(body))} {
		events := rewrite.Events(io.NopCloser(r), rewrite.EventConfig{
			Replace: func(dst, data []byte) ([]byte, error) {
				if string(data) == "none" {
					return dst, nil
				}
				for range 2 {
					dst = append(append(append(dst, '<'), data...), '>')
				}
				return dst, nil
			},
			End: func(dst []byte, _ error) ([]byte, error) { return append(dst, "end"...), io.EOF },
		})
		got, err := io.ReadAll(events)
		if err != nil || string(got) != want {
			t.Errorf("%s: got %q, %v, want %q", name, got, err, want)
		}
	}
}

func TestEvents_AFaultOfReplaceEndsTheStream(t *testing.T) {
	t.Parallel()
	events := rewrite.Events(io.NopCloser(strings.NewReader("data: a\n\ndata: b\n\n")), rewrite.EventConfig{
		Replace: func(dst, _ []byte) ([]byte, error) { return append(dst, "lost"...), io.ErrClosedPipe },
	})
	if got, err := io.ReadAll(events); err != io.ErrClosedPipe || len(got) > 0 { //nolint:errorlint // it is handed on as it is
		t.Errorf("got %q, %v", got, err)
	}
}

// What stands behind an event that becomes nothing does not wait for more.
func TestEvents_AnEventThatBecomesNothingHoldsNothingUp(t *testing.T) {
	t.Parallel()
	r, w := io.Pipe()
	t.Cleanup(func() { _ = w.Close() })
	go func() { _, _ = io.WriteString(w, "data: none\n\ndata: some\n\n") }() // and no more
	events := rewrite.Events(r, rewrite.EventConfig{Replace: func(dst, data []byte) ([]byte, error) {
		if string(data) == "none" {
			return dst, nil
		}
		return append(dst, data...), nil
	}})
	buf := make([]byte, 64)
	if n, err := events.Read(buf); err != nil || string(buf[:n]) != "some" {
		t.Errorf("got %q, %v", buf[:n], err)
	}
}
