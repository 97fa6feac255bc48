"""logits.py - reads files of little-endian float32 logits.

  tokens FILE VOCAB BOS        token ids that lead to FILE: BOS, then the argmax of each row but the last
  near GOT WANTED LIMIT        largest difference over the largest absolute value is at most LIMIT
  range GOT WANTED OF LIMIT    largest difference over the range (largest - smallest) of file OF
"""
import struct
import sys


def read(path):
    with open(path, "rb") as f:
        data = f.read()
    return struct.unpack("<%df" % (len(data) // 4), data)


def tokens(path, vocab, bos):
    x = read(path)
    rows = [x[i:i + vocab] for i in range(0, len(x), vocab)]
    return [bos] + [max(range(vocab), key=r.__getitem__) for r in rows[:-1]]


def difference(got, wanted):
    a, b = read(got), read(wanted)
    if len(a) != len(b) or not a:
        sys.exit("%d values, wanted %d" % (len(a), len(b)))
    worst = max(abs(p - q) for p, q in zip(a, b))
    if worst != worst or any(p != p for p in a):
        sys.exit("not a number")
    return worst


def verdict(value, limit):
    print("%.3g of %.3g" % (value, limit))
    sys.exit(0 if value <= limit else 1)


def main(args):
    if args[0] == "tokens":
        print(",".join(str(t) for t in tokens(args[1], int(args[2]), int(args[3]))))
    elif args[0] == "near":
        verdict(difference(args[1], args[2]) / max(abs(v) for v in read(args[2])), float(args[3]))
    elif args[0] == "range":
        of = read(args[3])
        verdict(difference(args[1], args[2]) / (max(of) - min(of)), float(args[4]))
    else:
        sys.exit(__doc__)


main(sys.argv[1:])
