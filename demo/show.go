package demo

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

const (
	defaultWidth = 120
	gap          = " │ "
	cellLines    = 26 // of one panel; what is between its beginning and its end is counted, not shown
	cellEnd      = 7
)

// panel is a column: a heading and what stands below it.
type panel struct{ head, text string }

// showPanels prints each scene as three columns, the application's side, the
// wire and the enclave, first the way out, then the way back.
func showPanels(w io.Writer, width int, word string, scenes []*scene, took time.Duration) error {
	if width <= 0 {
		width = defaultWidth
	}
	var b strings.Builder
	for _, s := range scenes {
		fmt.Fprintf(&b, "\n━━ %s %s\n\n", s.Title, strings.Repeat("━", max(0, width-len(s.Title)-4)))
		columns(&b, width, panel{"1 the app sent", s.AppSent}, panel{"2 what crossed the wire, inside TLS →", s.WireRequest}, panel{"3 the enclave opened", s.Opened})
		b.WriteByte('\n')
		columns(&b, width, panel{"4 the app got back", s.AppReceived}, panel{"2 what crossed the wire, inside TLS ←", s.WireReply}, times(s.Steps))
	}
	bytes := 0
	for _, s := range scenes {
		bytes += s.WireBytes
	}
	fmt.Fprintf(&b, "\n%q, a random word of both prompts, is in none of the %d bytes that crossed the wire. Took %s.\n", word, bytes, round(took))
	_, err := io.WriteString(w, b.String())
	return err
}

func times(steps []step) panel {
	var b strings.Builder
	for _, s := range steps {
		fmt.Fprintf(&b, "%s: %s\n", s.Name, round(time.Duration(s.Seconds*float64(time.Second))))
	}
	return panel{"the time each step took", b.String()}
}

func round(d time.Duration) time.Duration {
	if d > time.Second {
		return d.Round(10 * time.Millisecond)
	}
	return d.Round(10 * time.Microsecond)
}

// columns prints panels side by side; on a narrow terminal one below the other.
func columns(b *strings.Builder, width int, panels ...panel) {
	each := (width - (len(panels)-1)*utf8.RuneCountInString(gap)) / len(panels)
	if each < 28 {
		for _, p := range panels {
			columns(b, max(width, 28), p)
		}
		return
	}
	cells := make([][]string, len(panels))
	rows := 0
	for i, p := range panels {
		cells[i] = append([]string{p.head, strings.Repeat("─", each)}, wrap(p.text, each)...)
		rows = max(rows, len(cells[i]))
	}
	for row := range rows {
		line := make([]string, len(cells))
		for i, cell := range cells {
			text := ""
			if row < len(cell) {
				text = cell[row]
			}
			line[i] = text + strings.Repeat(" ", max(0, each-utf8.RuneCountInString(text)))
		}
		fmt.Fprintf(b, "%s\n", strings.TrimRight(strings.Join(line, gap), " "))
	}
}

// wrap breaks text into lines of at most width columns. Control characters
// never reach the terminal.
func wrap(text string, width int) []string {
	var lines []string
	for line := range strings.Lines(text) {
		line = strings.Map(func(r rune) rune {
			if unicode.IsControl(r) {
				return -1
			}
			return r
		}, line)
		runes := []rune(line)
		for len(runes) > width {
			lines = append(lines, string(runes[:width]))
			runes = runes[width:]
		}
		lines = append(lines, string(runes))
	}
	if len(lines) <= cellLines {
		return lines
	}
	head, tail := lines[:cellLines-cellEnd-1], lines[len(lines)-cellEnd:]
	more := len(lines) - len(head) - len(tail)
	return slices.Concat(head, []string{fmt.Sprintf("… %d more lines", more)}, tail)
}

// showJSON prints the scenes as one document.
func showJSON(w io.Writer, word string, scenes []*scene) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(struct {
		Word   string   `json:"word"` // random, in both prompts, not on the wire
		Scenes []*scene `json:"chats"`
	}{word, scenes})
}
