package protocol

import "strings"

// AppendQuoted appends a piece of text, which is valid UTF-8, as it is inside of a JSON string. Unlike
// encoding/json, it makes no garbage.
func AppendQuoted(b, piece []byte) []byte {
	const separator, hex = "\u2028", "0123456789abcdef" // and U+2029; JavaScript once took them for line ends
	for i := 0; i < len(piece); i++ {
		c := piece[i]
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c >= ' ' && (c != separator[0] || i+2 >= len(piece) || piece[i+1] != separator[1] || piece[i+2]|1 != separator[2]|1):
			b = append(b, c)
		case c >= ' ':
			b = append(b, `\u202`...)
			b = append(b, hex[piece[i+2]&0xf])
			i += 2
		default:
			if at := strings.IndexByte("\b\f\n\r\t", c); at >= 0 {
				b = append(b, '\\', "bfnrt"[at])
			} else {
				b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&0xf])
			}
		}
	}
	return b
}
