package catalog

// relax turns relaxed JSON into strict JSON of the same length, so that the
// position of any error stays true: comments (#, // and /* */) and commas before
// a closing bracket become spaces, and so do literal tabs in texts. It judges nothing else;
// encoding/json does. App specs are read by Perl's JSON::XS in its relaxed mode, whose
// comments begin with #, which the JSON-with-comments libraries for Go do not know.
func relax(text []byte) []byte {
	out := append([]byte(nil), text...)
	comma := -1 // a comma after which nothing but space and comments came
	for i := 0; i < len(out); {
		switch c := out[i]; {
		case c == '"':
			comma = -1
			i = endOfText(out, i)
		case c == '#', c == '/' && i+1 < len(out) && out[i+1] == '/':
			for ; i < len(out) && out[i] != '\n'; i++ {
				out[i] = ' '
			}
		case c == '/' && i+1 < len(out) && out[i+1] == '*':
			i = blankBlock(out, i)
		default:
			switch c {
			case ' ', '\t', '\r', '\n':
			case ',':
				comma = i
			case ']', '}':
				if comma >= 0 {
					out[comma] = ' '
				}
				comma = -1
			default:
				comma = -1
			}
			i++
		}
	}
	return out
}

// endOfText is the index after the text that begins at i; its tabs become spaces.
func endOfText(b []byte, i int) int {
	for i++; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '\t':
			b[i] = ' '
		case '"':
			return i + 1
		}
	}
	return len(b)
}

// blankBlock blanks the comment that begins at i and answers the index after
// it. One without an end stays, so that it is an error.
func blankBlock(b []byte, i int) int {
	for j := i + 2; j+1 < len(b); j++ {
		if b[j] == '*' && b[j+1] == '/' {
			for k := i; k < j+2; k++ {
				if b[k] != '\n' {
					b[k] = ' '
				}
			}
			return j + 2
		}
	}
	return len(b)
}
