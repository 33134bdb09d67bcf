package main

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// The size of a chart and of the room for its labels, in pixels.
const (
	chartWidth, chartHeight  = 720, 360
	left, right, top, bottom = 70, 170, 36, 48
)

// palette has colours that people with a colour vision deficiency tell apart
// (Okabe and Ito).
func palette(i int) string {
	colours := []string{"#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#666666"}
	return colours[i%len(colours)]
}

// canvas is an SVG document that is being written.
type canvas struct{ strings.Builder }

func newCanvas(title string) *canvas {
	c := new(canvas)
	fmt.Fprintf(c, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">`+"\n", chartWidth, chartHeight)
	fmt.Fprintf(c, `<rect width="%d" height="%d" fill="#fff"/>`+"\n", chartWidth, chartHeight)
	c.text(left, 20, "start", title)
	return c
}

func (c *canvas) text(x, y float64, anchor, text string) {
	fmt.Fprintf(c, `<text x="%.1f" y="%.1f" text-anchor="%s">%s</text>`+"\n", x, y, anchor, html.EscapeString(text))
}

func (c *canvas) line(x1, y1, x2, y2 float64, colour string) {
	fmt.Fprintf(c, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="%s"/>`+"\n", x1, y1, x2, y2, colour)
}

func (c *canvas) end() string { return c.String() + "</svg>\n" }

// bar is one of a bar chart, with its range.
type bar struct {
	name  string
	value summary
}

// bars draws horizontal bars.
func bars(title, unit string, all []bar) string {
	c := newCanvas(title)
	most := 0.
	for _, b := range all {
		most = max(most, b.value.most)
	}
	const names = 150.
	scale := (chartWidth - left - names - 60) / max(most, 1)
	step := float64(chartHeight-top-bottom) / float64(max(len(all), 1))
	for i, b := range all {
		y := top + step*float64(i)
		c.text(left+names-8, y+step/2+4, "end", b.name)
		fmt.Fprintf(c, `<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="%s"/>`+"\n", left+names, y+step*0.2, max(b.value.median*scale, 0), step*0.6, palette(i))
		c.line(left+names+b.value.least*scale, y+step/2, left+names+b.value.most*scale, y+step/2, "#000")
		c.text(left+names+b.value.most*scale+6, y+step/2+4, "start", number(b.value.median)+" "+unit)
	}
	c.text(left+names, chartHeight-bottom/2, "start", "the bar is the median of the rounds, the line goes from the least to the most")
	return c.end()
}

// series is a line of a chart.
type series struct {
	name   string
	points []point
}

// axis maps values to pixels.
type axis struct {
	from, to   float64 // values
	start, end float64 // pixels
	log        bool
	label      func(float64) string
}

func (a axis) at(v float64) float64 {
	from, to := a.from, a.to
	if a.log {
		from, to, v = math.Log(from), math.Log(to), math.Log(v)
	}
	return a.start + (v-from)/(to-from)*(a.end-a.start)
}

// ticks are the values that are labelled: powers of ten, or five steps.
func (a axis) ticks() []float64 {
	var found []float64
	if a.log {
		for v := math.Pow(10, math.Ceil(math.Log10(a.from))); v <= a.to; v *= 10 {
			found = append(found, v)
		}
		return found
	}
	for i := range 6 {
		found = append(found, a.from+(a.to-a.from)*float64(i)/5)
	}
	return found
}

// lines draws series over two axes, whose range it finds.
func lines(title string, x, y axis, all []series) string {
	c := newCanvas(title)
	x.start, x.end, y.start, y.end = left, chartWidth-right, chartHeight-bottom, top
	x.from, x.to, y.from, y.to = span(all, x.log, y.log)
	for _, v := range x.ticks() {
		c.line(x.at(v), y.start, x.at(v), y.end, "#ddd")
		c.text(x.at(v), y.start+18, "middle", x.label(v))
	}
	for _, v := range y.ticks() {
		c.line(x.start, y.at(v), x.end, y.at(v), "#ddd")
		c.text(x.start-6, y.at(v)+4, "end", y.label(v))
	}
	for i, s := range all {
		var path strings.Builder
		for _, p := range s.points {
			fmt.Fprintf(&path, "%.1f,%.1f ", x.at(p.x), y.at(p.y))
		}
		fmt.Fprintf(c, `<polyline points="%s" fill="none" stroke="%s" stroke-width="2"/>`+"\n", strings.TrimSpace(path.String()), palette(i))
		c.line(x.end+12, top+float64(i)*18+4, x.end+30, top+float64(i)*18+4, palette(i))
		c.text(x.end+36, top+float64(i)*18+8, "start", s.name)
	}
	return c.end()
}

// span is the range of all points. An axis that is not logarithmic begins at 0.
func span(all []series, logX, logY bool) (fromX, toX, fromY, toY float64) {
	fromX, fromY = math.Inf(1), math.Inf(1)
	for _, s := range all {
		for _, p := range s.points {
			fromX, toX = min(fromX, p.x), max(toX, p.x)
			fromY, toY = min(fromY, p.y), max(toY, p.y)
		}
	}
	if !logX {
		fromX = 0
	}
	if !logY {
		fromY = 0
	}
	return fromX, toX, fromY, toY
}

func (r *results) latencyChart() string {
	var all []bar
	for _, name := range names() {
		if name != nameDirect && name != nameDirectSealed && len(r.chats[1][name]) > 0 {
			all = append(all, bar{name, summarise(added(r.chats[1], name))})
		}
	}
	return bars("Added to a chat of 256 bytes each way, p50 at 1 connection", "µs", all)
}

func (r *results) sizesChart() string {
	var all []series
	for _, name := range names() {
		if points := r.sizes[name]; len(points) > 0 {
			all = append(all, series{name, points})
		}
	}
	size := axis{log: true, label: func(v float64) string { return number(v) + " B" }}
	cpu := axis{log: true, label: func(v float64) string { return number(v) + " µs" }}
	return lines("CPU of the hop for each request, by bytes of content", size, cpu, all)
}

func (r *results) streamsChart() string {
	var kib []point
	for _, p := range r.streams[nameSealed].rss {
		kib = append(kib, point{p.x, p.y / 1024})
	}
	streams := axis{label: func(v float64) string { return fmt.Sprintf("%.0f", v) }}
	memory := axis{label: func(v float64) string { return number(v) + " KiB" }}
	return lines("Memory of sealcar for each open stream, by streams open", streams, memory, []series{{nameSealed, kib}})
}
