package index

import (
	"encoding/binary"
	"iter"

	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
)

// The texts of a job never change after Submit. In a chunk they stand one after the other, each
// behind its length: output name, output folder, parent, rerun_of, then the labels as their
// number and their keys and values.

func appendTexts(b []byte, h *storev1.Header) []byte {
	for _, s := range [...]string{h.GetOutputName(), h.GetOutputFolder(), h.GetParentId(), h.GetRerunOf()} {
		b = appendText(b, s)
	}
	b = binary.AppendUvarint(b, uint64(len(h.GetLabels())))
	for _, l := range h.GetLabels() {
		b = appendText(appendText(b, l.GetKey()), l.GetValue())
	}
	return b
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// texts reads what appendTexts wrote, from its beginning.
type texts string

func (t texts) next() (string, texts) {
	n, t := t.number()
	return string(t[:n]), t[n:]
}

func (t texts) number() (int, texts) {
	n, shift, i := 0, 0, 0
	for ; t[i] >= 0x80; i++ {
		n |= int(t[i]&0x7f) << shift
		shift += 7
	}
	return n | int(t[i])<<shift, t[i+1:]
}

func (t texts) skip(n int) texts {
	for range n {
		_, t = t.next()
	}
	return t
}

// labels yields the labels. It is called on the texts as a whole.
func (t texts) labels() iter.Seq2[string, string] {
	return func(yield func(k, v string) bool) {
		n, t := t.skip(4).number()
		for range n {
			var k, v string
			k, t = t.next()
			v, t = t.next()
			if !yield(k, v) {
				return
			}
		}
	}
}

// trim leaves out what follows the texts of the job, which are those of others.
func (t texts) trim() texts {
	n, rest := t.skip(4).number()
	return t[:len(t)-len(rest.skip(2*n))]
}
