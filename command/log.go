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
)

// newLogger logs to standard error: JSON, or lines for humans on a terminal.
func newLogger(p Process, c config.Log) (zerolog.Logger, error) {
	level, err := zerolog.ParseLevel(c.Level)
	if err != nil {
		return zerolog.Nop(), fmt.Errorf("log.level %q: %w", c.Level, err)
	}
	out := p.Stderr
	if f, ok := out.(*os.File); c.Format == "console" || c.Format == "auto" && ok && isatty.IsTerminal(f.Fd()) {
		out = zerolog.ConsoleWriter{Out: p.Stderr, TimeFormat: time.TimeOnly, NoColor: p.Getenv("NO_COLOR") != ""}
	}
	return zerolog.New(out).Level(level).With().Timestamp().Logger(), nil
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
