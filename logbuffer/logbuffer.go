// Package logbuffer gathers lines of log and writes many at once: a write for each
// request costs more time than the rest of forwarding a short one. Start at Writer.
//
// What is gathered is written after Writer.Delay, or when it has become large, or
// with the first line of level warn or above, so that what tells of a failure is
// out before anything else can fail. A process that is killed loses the lines of
// its last Delay.
package logbuffer

import (
	"io"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

// maxGathered is how much is gathered at most, in bytes, but for the last line.
const maxGathered = 32 << 10

// Writer is a zerolog.LevelWriter. To is required. Safe for concurrent use.
type Writer struct {
	To    io.Writer
	Delay time.Duration // the longest that a line waits; 0 writes each at once

	mu    sync.Mutex
	lines []byte
	timer *time.Timer // running while there are lines
}

// Write takes a line without a level.
func (w *Writer) Write(line []byte) (int, error) { return w.WriteLevel(zerolog.NoLevel, line) }

// WriteLevel implements zerolog.LevelWriter. The error is that of a write, of
// earlier lines too.
func (w *Writer) WriteLevel(level zerolog.Level, line []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lines = append(w.lines, line...)
	urgent := level >= zerolog.WarnLevel && level < zerolog.NoLevel
	if urgent || w.Delay <= 0 || len(w.lines) >= maxGathered {
		return len(line), w.flush()
	}
	if w.timer == nil {
		w.timer = time.AfterFunc(w.Delay, func() { _ = w.Flush() }) // there is nowhere to tell it
	}
	return len(line), nil
}

// Flush writes what has been gathered. It is for the end of the process.
func (w *Writer) Flush() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.flush()
}

// flush empties the buffer. The caller holds w.mu.
func (w *Writer) flush() error {
	if w.timer != nil {
		w.timer.Stop()
		w.timer = nil
	}
	if len(w.lines) == 0 {
		return nil
	}
	_, err := w.To.Write(w.lines)
	w.lines = w.lines[:0]
	return err
}
