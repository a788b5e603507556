package screen

import (
	"slices"

	uv "github.com/charmbracelet/ultraviolet"
)

// maxLinks is how many hyperlinks on one screen are told apart.
const maxLinks = 1 << 12

// link returns the number of a link, or 0 if there are too many on the screen.
func (p *picture) link(link string) int {
	if i := slices.Index(p.links, link); i >= 0 {
		return i
	}
	if len(p.links) < maxLinks {
		p.links = append(p.links, link)
		return len(p.links) - 1
	}
	free := slices.Index(p.links[1:], "") + 1
	if free == 0 {
		free = p.dropLinks()
	}
	if free > 0 {
		p.links[free] = link
	}
	return free
}

// dropLinks empties the links that are not on the screen, and returns the number of the
// last one emptied, or 0.
func (p *picture) dropLinks() (free int) {
	var used [maxLinks]bool
	for y := range p.rows {
		for x := range p.cols {
			used[linkNumber(p.at(x, y))] = true
		}
	}
	for i := 1; i < maxLinks; i++ {
		if !used[i] {
			p.links[i], free = "", i
		}
	}
	return free
}

// linkOf returns a cell's hyperlink.
func (p *picture) linkOf(c *uv.Cell) string { return p.links[linkNumber(c)] }

// linkNumber returns the number of a cell's hyperlink.
func linkNumber(c *uv.Cell) (n int) {
	for _, d := range c.Link.URL {
		n = n*10 + int(d-'0')
	}
	return n % maxLinks
}
