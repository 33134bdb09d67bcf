package command

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/mattn/go-isatty"
	"github.com/rs/zerolog"

	"sealcar/config"
	"sealcar/logbuffer"
)

// newLogger logs to standard error: JSON, or lines for humans on a terminal.
func newLogger(p Process, c config.Log) (zerolog.Logger, error) {
	level, err := zerolog.ParseLevel(c.Level)
	if err != nil {
		return zerolog.Nop(), fmt.Errorf("log.level %q: %w", c.Level, err)
	}
	out := p.Stderr
	if isConsole(p, c) {
		out = zerolog.ConsoleWriter{Out: p.Stderr, TimeFormat: time.TimeOnly, NoColor: p.Getenv("NO_COLOR") != ""}
	}
	return zerolog.New(out).Level(level).With().Timestamp().Logger(), nil
}

// newBufferedLogger is newLogger for a process that logs each request: JSON lines
// are gathered for log.delay. flush is for the end of the process.
func newBufferedLogger(p Process, c config.Log) (log zerolog.Logger, flush func() error, err error) {
	if isConsole(p, c) {
		log, err = newLogger(p, c)
		return log, func() error { return nil }, err
	}
	buffer := &logbuffer.Writer{To: p.Stderr, Delay: c.Delay}
	p.Stderr = buffer
	log, err = newLogger(p, c)
	return log, buffer.Flush, err
}

func isConsole(p Process, c config.Log) bool {
	f, ok := p.Stderr.(*os.File)
	return c.Format == "console" || c.Format == "auto" && ok && isatty.IsTerminal(f.Fd())
}

// visible makes a text that comes from outside in part, such as a certificate's
// subject or a server's words, fit for a terminal: what could move the cursor,
// colour or turn around what stands there is shown as an escape. Line ends stay.
func visible(text string) string {
	var b strings.Builder
	for _, r := range text {
		if r == '\n' || unicode.IsPrint(r) {
			b.WriteRune(r)
			continue
		}
		quoted := strconv.QuoteRune(r)
		b.WriteString(quoted[1 : len(quoted)-1])
	}
	return b.String()
}
