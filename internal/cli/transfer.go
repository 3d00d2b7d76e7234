package cli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"time"

	"google.golang.org/grpc/codes"

	workspacev1 "github.com/stint-jobs/stint/gen/stint/workspace/v1"
)

const (
	// uploadFrame is how much one frame of an upload carries.
	uploadFrame = 256 << 10
	// stdinPart is how much of standard input is kept until the server has it: it cannot be read
	// again.
	stdinPart = 8 << 20
	// uploadPatience is how long an upload waits for a server that is lost.
	uploadPatience = 10 * time.Minute
	// uploadPauses is how often in a row an upload may lose its connection without having got
	// further.
	uploadPauses = 100
)

// wanted says where a file goes.
type wanted struct {
	path      string
	overwrite bool
	sha256    string // of the content, where that was read already
	// again is what is said when a signal ends the program: how the upload goes on.
	again string
}

// uploadFile uploads a local file, with a progress bar on a terminal. An upload of the same file
// that was broken off, also by the end of an earlier process, goes on where it was.
func (a *app) uploadFile(ctx context.Context, name string, want wanted) error {
	f, err := os.Open(name)
	if err != nil {
		return fmt.Errorf("upload: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("upload: %w", err)
	}
	size := info.Size()
	c, u, err := a.beginUpload(ctx, &workspacev1.CreateUploadRequest{
		Path: want.path, Overwrite: want.overwrite, SizeBytes: &size, Sha256: want.sha256, ResumeKey: resumeKey(info),
	})
	if err != nil || u.GetEntry() != nil { // the server may have the content already
		return err
	}
	before := a.afterSignal
	if want.again != "" {
		a.afterSignal = "; " + want.again
	}
	if u.GetOffset() > 0 {
		fmt.Fprintf(a.err, "stint: going on with the upload to %s, of which the server has %s of %s\n", clean(want.path), humanBytes(u.GetOffset()), humanBytes(size))
	}
	c.bar = a.bar("Uploading "+info.Name(), size)
	content := &hashed{file: f, sum: sha256.New()}
	if want.sha256 == "" {
		c.sum = content.hex
		err = content.skip(ctx, u.GetOffset())
	}
	if err == nil {
		err = c.carry(ctx, extent{from: u.GetOffset(), to: size}, func(at int64) io.Reader { return content.at(ctx, at, size) })
	}
	c.bar.end(err)
	if err == nil {
		a.afterSignal = before
	}
	return err
}

// resumeKey tells a file from others, and from what it was before it changed.
func resumeKey(info os.FileInfo) string {
	key := fmt.Sprintf("%d %d %s", info.Size(), info.ModTime().UnixNano(), info.Name())
	if len(key) > 256 {
		sum := sha256.Sum256([]byte(key))
		return hex.EncodeToString(sum[:])
	}
	return clean(key)
}

// uploadStdin uploads what r yields, whose size is known at its end.
func (a *app) uploadStdin(ctx context.Context, r io.Reader, want wanted) error {
	c, u, err := a.beginUpload(ctx, &workspacev1.CreateUploadRequest{Path: want.path, Overwrite: want.overwrite})
	if err != nil {
		return err
	}
	c.bar = &bar{}
	sum, part := sha256.New(), make([]byte, stdinPart)
	for at := u.GetOffset(); ; {
		n, err := io.ReadFull(r, part)
		last := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		if err != nil && !last {
			return errors.Join(err, c.giveUp(ctx))
		}
		data := part[:n]
		_, _ = sum.Write(data) // a hash takes everything
		e := extent{from: at, to: at + int64(n)}
		if last {
			e.size, c.sum = &e.to, func() string { return hex.EncodeToString(sum.Sum(nil)) }
		}
		if err := c.carry(ctx, e, func(from int64) io.Reader { return contextReader{ctx, bytesFrom(data, from-at)} }); err != nil || last {
			return err
		}
		at = e.to
	}
}

func bytesFrom(data []byte, n int64) io.Reader {
	return io.NewSectionReader(readerAt(data), n, int64(len(data))-n)
}

// readerAt reads bytes at an offset.
type readerAt []byte

// ReadAt reads from an offset on.
func (b readerAt) ReadAt(p []byte, off int64) (int, error) {
	if off >= int64(len(b)) {
		return 0, io.EOF
	}
	n := copy(p, b[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// hashed reads a file from offset to offset and sums up its bytes once, also where some are read
// again.
type hashed struct {
	file *os.File
	sum  hash.Hash
	upTo int64 // bytes that are in the sum
}

func (h *hashed) hex() string { return hex.EncodeToString(h.sum.Sum(nil)) }

// skip takes the first n bytes into the sum.
func (h *hashed) skip(ctx context.Context, n int64) error {
	_, err := io.Copy(io.Discard, h.at(ctx, 0, n))
	return err
}

// at reads from an offset to another.
func (h *hashed) at(ctx context.Context, from, to int64) io.Reader {
	return &hashedPart{hashed: h, ctx: ctx, r: io.NewSectionReader(h.file, from, to-from), pos: from, to: to}
}

type hashedPart struct {
	*hashed

	ctx context.Context //nolint:containedctx // it lives as long as one append
	r   io.Reader
	pos int64
	to  int64
}

// Read reads the next bytes.
func (p *hashedPart) Read(b []byte) (int, error) {
	if p.ctx.Err() != nil {
		return 0, context.Cause(p.ctx)
	}
	n, err := p.r.Read(b)
	if fresh := p.pos + int64(n) - p.upTo; fresh > 0 && p.pos <= p.upTo {
		_, _ = p.sum.Write(b[int64(n)-fresh : n]) // a hash takes everything
		p.upTo += fresh
	}
	p.pos += int64(n)
	if errors.Is(err, io.EOF) && p.pos < p.to {
		return n, errChanged
	}
	return n, err
}

// extent is a part of a file.
type extent struct {
	from, to int64
	// size of the whole file, where it is known only now.
	size *int64
}

// carrier brings the bytes of one upload to the server, over as many connections as it takes.
type carrier struct {
	app    *app
	client workspacev1.WorkspaceServiceClient
	id     string
	bar    *bar
	// sum returns the SHA-256 of everything, once all of it was sent. Nil says none.
	sum func() string
}

// beginUpload begins an upload, or finds one that was broken off.
func (a *app) beginUpload(ctx context.Context, req *workspacev1.CreateUploadRequest) (*carrier, *workspacev1.Upload, error) {
	client, err := a.workspace()
	if err != nil {
		return nil, nil, err
	}
	var res *workspacev1.CreateUploadResponse
	try := a.call
	if req.GetResumeKey() == "" {
		try = a.once // a second one would be another upload
	}
	err = try(ctx, func(ctx context.Context) error {
		res, err = client.CreateUpload(ctx, req)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	return &carrier{app: a, client: client, id: res.GetUpload().GetId()}, res.GetUpload(), nil
}

// giveUp ends an upload that cannot go on.
func (c *carrier) giveUp(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.app.link.timeout)
	defer cancel()
	_, err := c.client.EndUpload(ctx, &workspacev1.EndUploadRequest{Id: c.id})
	return err
}

// carry sends a part of the file. After a lost connection it asks where the server wants to go on.
func (c *carrier) carry(ctx context.Context, e extent, content func(from int64) io.Reader) error {
	at, pauses := e.from, 0
	back := backoff{patience: uploadPatience}
	for {
		c.bar.at(at)
		lost := c.append(ctx, at, e, content(at))
		if lost == nil || !c.goesOn(lost) {
			return lost
		}
		if pauses == 0 {
			fmt.Fprintln(c.app.err, "stint: the connection was lost; the upload goes on as soon as the server is back")
		}
		u, err := c.ask(ctx, &back, lost)
		if err != nil || u.GetEntry() != nil {
			return err // it was finished, and only the response was lost
		}
		switch next := u.GetOffset(); {
		case next < e.from || next > e.to:
			return fmt.Errorf("the server has %d bytes of the upload, which are not those that were sent", next)
		case next > at:
			at, pauses = next, 1
		default:
			at = next
			pauses++
			if pauses > uploadPauses || c.app.wait(ctx, firstReconnect) != nil {
				return lost
			}
		}
	}
}

// goesOn reports whether an append broke off for a reason that asking for the offset can cure.
func (c *carrier) goesOn(err error) bool {
	if s, ok := callStatus(err); ok && s.Code() == codes.Aborted && errorReason(s) == "UPLOAD_OFFSET" {
		return !takenOver(s)
	}
	return streamLost(err) || lostConnection(err)
}

// ask waits for the server and asks where the upload goes on.
func (c *carrier) ask(ctx context.Context, back *backoff, lost error) (*workspacev1.Upload, error) {
	for {
		var res *workspacev1.GetUploadResponse
		err := c.app.once(ctx, func(ctx context.Context) (err error) {
			res, err = c.client.GetUpload(ctx, &workspacev1.GetUploadRequest{Id: c.id})
			return err
		})
		if err == nil {
			back.reset()
			return res.GetUpload(), nil
		}
		if !streamLost(err) && !lostConnection(err) {
			return nil, err
		}
		wait, more := back.delay()
		if !more {
			return nil, lost
		}
		if err := c.app.wait(ctx, wait); err != nil {
			return nil, lost
		}
	}
}

// append sends bytes over one stream.
func (c *carrier) append(ctx context.Context, at int64, e extent, r io.Reader) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // gives the stream up where it has not ended
	stream, err := c.client.AppendUpload(ctx)
	if err != nil {
		return err
	}
	err = c.send(stream, &workspacev1.UploadPart{Id: c.id, Offset: at, SizeBytes: e.size}, r)
	if err != nil && !errors.Is(err, io.EOF) { // of the file itself
		return fmt.Errorf("upload: %w", err)
	}
	_, err = stream.CloseAndRecv() // says why, where the server ended the stream
	return err
}

type appendStream interface {
	Send(*workspacev1.AppendUploadRequest) error
}

// send sends the frames of an append. io.EOF says that the server ended the stream.
func (c *carrier) send(stream appendStream, part *workspacev1.UploadPart, r io.Reader) error {
	if err := stream.Send(&workspacev1.AppendUploadRequest{Content: &workspacev1.AppendUploadRequest_Part{Part: part}}); err != nil {
		return err
	}
	buf := make([]byte, uploadFrame)
	for {
		n, err := io.ReadFull(r, buf)
		if n > 0 {
			if err := stream.Send(&workspacev1.AppendUploadRequest{Content: &workspacev1.AppendUploadRequest_Data{Data: buf[:n]}}); err != nil {
				return err
			}
			_, _ = c.bar.Write(buf[:n]) // counts
		}
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return c.sendEnd(stream)
		case err != nil:
			return err
		}
	}
}

func (c *carrier) sendEnd(stream appendStream) error {
	if c.sum == nil {
		return nil
	}
	return stream.Send(&workspacev1.AppendUploadRequest{Content: &workspacev1.AppendUploadRequest_End{End: &workspacev1.UploadEnd{Sha256: c.sum()}}})
}
