package logbuffer_test

import (
	"bytes"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"sealcar/logbuffer"
)

// writes is what was written, a write each.
type writes struct {
	mu  sync.Mutex
	all []string
}

func (w *writes) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all = append(w.all, string(bytes.Clone(p)))
	return len(p), nil
}

func (w *writes) want(t *testing.T, want ...string) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if strings.Join(w.all, "|") != strings.Join(want, "|") {
		t.Errorf("wrote %q, want %q", w.all, want)
	}
}

func TestLinesAreWrittenTogetherAfterTheDelay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		out := new(writes)
		log := zerolog.New(&logbuffer.Writer{To: out, Delay: time.Second})
		log.Info().Msg("a")
		time.Sleep(900 * time.Millisecond)
		log.Info().Msg("b")
		out.want(t)
		time.Sleep(100 * time.Millisecond) // a second since the first
		synctest.Wait()
		both := `{"level":"info","message":"a"}` + "\n" + `{"level":"info","message":"b"}` + "\n"
		out.want(t, both)
		log.Info().Msg("c")
		time.Sleep(time.Second)
		synctest.Wait()
		out.want(t, both, `{"level":"info","message":"c"}`+"\n")
	})
}

func TestFailuresAreWrittenAtOnceAndInOrder(t *testing.T) {
	t.Parallel()
	for _, level := range []zerolog.Level{zerolog.WarnLevel, zerolog.ErrorLevel, zerolog.FatalLevel, zerolog.PanicLevel} {
		out := new(writes)
		w := &logbuffer.Writer{To: out, Delay: time.Hour}
		if _, err := w.WriteLevel(zerolog.InfoLevel, []byte("before\n")); err != nil {
			t.Error(err)
		}
		out.want(t)
		if _, err := w.WriteLevel(level, []byte("failure\n")); err != nil {
			t.Error(err)
		}
		out.want(t, "before\nfailure\n")
	}
}

func TestWithoutADelayEachLineIsWrittenAtOnce(t *testing.T) {
	t.Parallel()
	out := new(writes)
	w := &logbuffer.Writer{To: out}
	for _, line := range []string{"a\n", "b\n"} {
		if n, err := w.Write([]byte(line)); n != 2 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
	}
	out.want(t, "a\n", "b\n")
}

func TestWhatIsGatheredIsBounded(t *testing.T) {
	t.Parallel()
	out := new(writes)
	w := &logbuffer.Writer{To: out, Delay: time.Hour}
	line := []byte(strings.Repeat("x", 1023) + "\n")
	for range 33 {
		if _, err := w.Write(line); err != nil {
			t.Error(err)
		}
	}
	if len(out.all) != 1 || len(out.all[0]) != 32<<10 {
		t.Errorf("%d writes", len(out.all))
	}
	if err := w.Flush(); err != nil {
		t.Error(err)
	}
	if err := w.Flush(); err != nil {
		t.Error(err)
	}
	if len(out.all) != 2 || out.all[1] != string(line) {
		t.Errorf("%d writes after Flush, want a second one with the last line", len(out.all))
	}
}
