package search

// A Finder looks at output for lines, like a [Scanner].
type Finder interface {
	Write(p []byte) (int, error)
	Finish()
}

// Find returns a Scanner or, if invert is true, a Finder that reports the lines that don't match.
func (m *Matcher) Find(offset, line int64, alternate, invert bool, hit func(line, offset int64)) Finder {
	if !invert {
		return m.Scan(offset, line, alternate, hit)
	}
	var f *Filter
	within := false
	f = FilterOptions{Matcher: m, Invert: true, Most: -1}.Begin(offset, line, alternate, func(p []byte, v Verdict) {
		for line, offset := f.line+1, f.offset; v == Wanted && len(p) > 0; line++ {
			if !within {
				hit(line, offset)
			}
			n := lineEnd(p)
			within = p[n-1] != '\n'
			offset += int64(n)
			p = p[n:]
		}
	})
	return f
}
