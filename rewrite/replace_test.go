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
