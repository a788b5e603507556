//go:build linux

package main

import (
	"errors"
	"fmt"
	"io"
	"math"
)

// Of the picture, in pixels. Its colours can be read on white and on black.
const (
	panelWidth  = 380
	panelHeight = 300
	plotLeft    = 56
	plotTop     = 56
	plotWidth   = 300
	plotHeight  = 200

	ink  = "#808080"
	grid = `stroke="#808080" stroke-opacity="0.3"`
)

// A curve is a contender's figure over the viewers.
type curve struct {
	name, color     string
	viewers, figure []float64
}

// plot draws how the cost grows with the viewers, as SVG.
func plot(w io.Writer, r report) error {
	panels := []struct{ title, figure string }{
		{"CPU for a viewer and chunk, µs", "chunk"},
		{"resident memory for a viewer, KiB", "rss"},
	}
	out := fmt.Appendf(nil, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" `+
		`font-family="system-ui, sans-serif" font-size="12" fill="%s">`+"\n",
		panelWidth*len(panels), panelHeight, ink)
	out = fmt.Appendf(out, "<title>What a viewer costs, from 1 to 10,000 viewers: %s</title>\n", r.Date.Format("2006-01-02"))
	for i, p := range panels {
		curves := r.curves(p.figure)
		if len(curves) == 0 {
			return fmt.Errorf("there are no figures of row %d to draw", growth)
		}
		out = fmt.Appendf(out, `<g transform="translate(%d 0)">`+"\n", i*panelWidth)
		out = fmt.Appendf(out, `<text x="%d" y="20" font-size="14">%s</text>`+"\n", plotLeft, p.title)
		var err error
		if out, err = appendPanel(out, curves); err != nil {
			return err
		}
		out = append(out, "</g>\n"...)
	}
	_, err := w.Write(append(out, "</svg>\n"...))
	return err
}

// curves returns a figure of each contender. What is not above 0 has no place on a
// logarithmic scale, and is left out.
func (r report) curves(figure string) []curve {
	colors := []string{"#2f81f7", "#c9781f", "#2da44e"}
	var curves []curve
	for _, row := range r.Rows {
		if row.Number != growth {
			continue
		}
		for i, c := range row.Contenders {
			if i == len(curves) {
				curves = append(curves, curve{name: c.Name, color: colors[i%len(colors)]})
			}
			if v := c.Median[figure]; v > 0 {
				curves[i].viewers = append(curves[i].viewers, float64(row.Viewers))
				curves[i].figure = append(curves[i].figure, v)
			}
		}
	}
	return curves
}

// A scale is a logarithmic axis, of whole decades.
type scale struct{ low, high int } // powers of 10

// span returns the scale that holds all values of the curves.
func span(curves []curve, values func(curve) []float64) (scale, error) {
	low, high := math.Inf(1), math.Inf(-1)
	for _, c := range curves {
		for _, v := range values(c) {
			low, high = min(low, v), max(high, v)
		}
	}
	if low > high {
		return scale{}, errors.New("there is nothing to draw")
	}
	s := scale{int(math.Floor(math.Log10(low))), int(math.Ceil(math.Log10(high)))}
	s.high = max(s.high, s.low+1)
	return s, nil
}

// at returns where a value is, from 0 to 1.
func (s scale) at(v float64) float64 {
	return (math.Log10(v) - float64(s.low)) / float64(s.high-s.low)
}

// appendPanel appends the axes, the curves and their names.
func appendPanel(out []byte, curves []curve) ([]byte, error) {
	viewers, err := span(curves, func(c curve) []float64 { return c.viewers })
	if err != nil {
		return nil, err
	}
	values, err := span(curves, func(c curve) []float64 { return c.figure })
	if err != nil {
		return nil, err
	}
	x := func(v float64) float64 { return plotLeft + plotWidth*viewers.at(v) }
	y := func(v float64) float64 { return plotTop + plotHeight*(1-values.at(v)) }
	for e := viewers.low; e <= viewers.high; e++ {
		v := math.Pow10(e)
		out = fmt.Appendf(out, `<path d="M%.1f %dv%d" %s/><text x="%.1f" y="%d" text-anchor="middle">%g</text>`+"\n",
			x(v), plotTop, plotHeight, grid, x(v), plotTop+plotHeight+18, v)
	}
	out = fmt.Appendf(out, `<text x="%d" y="%d" text-anchor="middle">viewers</text>`+"\n", plotLeft+plotWidth/2, plotTop+plotHeight+36)
	for e := values.low; e <= values.high; e++ {
		v := math.Pow10(e)
		out = fmt.Appendf(out, `<path d="M%d %.1fh%d" %s/><text x="%d" y="%.1f" text-anchor="end">%g</text>`+"\n",
			plotLeft, y(v), plotWidth, grid, plotLeft-6, y(v)+4, v)
	}
	for i, c := range curves {
		out = fmt.Appendf(out, `<g fill="%s"><text x="%d" y="42">● %s</text><path fill="none" stroke="%[1]s" stroke-width="2" d="`,
			c.color, plotLeft+i*100, c.name)
		for j := range c.viewers {
			out = fmt.Appendf(out, "%c%.1f %.1f", "ML"[min(j, 1)], x(c.viewers[j]), y(c.figure[j]))
		}
		out = append(out, `"/>`...)
		for j := range c.viewers {
			out = fmt.Appendf(out, `<circle cx="%.1f" cy="%.1f" r="3"><title>%s, viewers: %g: %.3g</title></circle>`,
				x(c.viewers[j]), y(c.figure[j]), c.name, c.viewers[j], c.figure[j])
		}
		out = append(out, "</g>\n"...)
	}
	return out, nil
}
