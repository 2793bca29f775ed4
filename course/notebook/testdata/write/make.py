# Writes the corpus again: NAME.json is what is read, NAME.golden what nbformat 5.5.0 writes for it. Usage: make.py DIR
import json, random, sys, nbformat
from nbformat.v4 import nbjson
out=sys.argv[1]
random.seed(4)
def md(minor, cells, meta=None, **extra):
    d=dict(nbformat=4,nbformat_minor=minor,metadata=meta or {},cells=cells); d.update(extra); return d
def code(src, outputs=(), n=None, meta=None, **k):
    d=dict(cell_type="code",source=src,outputs=list(outputs),execution_count=n,metadata=meta or {}); d.update(k); return d
def mark(src, **k):
    d=dict(cell_type="markdown",source=src,metadata={}); d.update(k); return d
corpus={
 "empty": md(5,[]),
 "ids": md(5,[code("x = 1\ny",id="a-b_1"),mark(["# Title\n","text"],id="m")]),
 "minor2": md(2,[code(["a\n","b\n"]),mark("")],meta={"kernelspec":{"name":"python3","display_name":"Python 3","language":"python"},"signature":"sha256:x","orig_nbformat":2}),
 "unicode": md(4,[mark("Größe – “é” 漢字 🙂 \u2028 after\u0085nel\x0cff\x0bvt\x1cfs\x1dgs\x1eus\x1f\x7f end\r\ncr\rx"),code("'<&>\\t\t\b\"'")]),
 "numbers": md(4,[code("1",meta={"f":[1.0,0.1,1e16,1e-5,1e15,123456789.125,1e22,5e-324,1.7976931348623157e308,0.0,-0.0,0.0001,0.00001234,float("nan"),float("inf"),-float("inf"),2**53,10**40,-7,0,-10**30, 100.0, 3.14, 9007199254740993.0,1e23,12345678901234567.0]})]),
 "outputs": md(4,[code("1",n=3,outputs=[
    dict(output_type="stream",name="stdout",text=["a\n","b\rc"]),
    dict(output_type="stream",name="stderr",text=""),
    dict(output_type="execute_result",execution_count=3,metadata={},data={"text/plain":["<x>\n","y"],"text/html":"<b>\n</b>\n","image/png":"aGk=\n","image/svg+xml":["<svg>\n","</svg>"],"application/javascript":"a\nb","application/json":["a","b\n"],"application/vnd.x+json":{"a":[1,2.50,None,True,False,{}],"b":[]},"text/latex":[]}),
    dict(output_type="display_data",metadata={"image/png":{"height":10}},data={"image/png":["aGk=","\n"],"application/pdf":["x\n","y"]}),
    dict(output_type="error",ename="E",evalue="v\nw",traceback=["\x1b[0;31mE\x1b[0m","l2\n"]),
  ],meta={"trusted":True,"collapsed":False,"scrolled":"auto","tags":["a","b"]}),]),
 "attachments": md(4,[mark("![x](attachment:x.png)",attachments={"x.png":{"image/png":"aGk="},"t":{"text/plain":["a\n","b"]}}),mark("m",attachments={}),dict(cell_type="raw",source="r\n",metadata={"format":"text/restructuredtext"})],meta={"é":{"b":1,"a":[]},"z":{},"celltoolbar":"x"}),
 "unknown": md(4,[code("1",custom={"b":[1,[2,[3]]],"a":"\u0001"})],topkey={"deep":[{"x":None}]}),
}
def rs(n):
    return "".join(random.choice('ab \n\t"\\é漢🙂\r\u2028/<') for _ in range(n))
cells=[]
for i in range(60):
    cells.append(random.choice([lambda: code(rs(80),[dict(output_type="stream",name="stdout",text=rs(60)),dict(output_type="display_data",metadata={},data={"text/plain":rs(40),"application/x+json":{rs(3):random.random()*10**random.randint(-20,20) for _ in range(5)}})],random.randint(1,99),{"n":random.uniform(-1e6,1e6)}),lambda: mark(rs(100))])())
corpus["random"]=md(4,cells)
for name,d in corpus.items():
    text=json.dumps(d,ensure_ascii=(name!="random"))
    open(f"{out}/{name}.json","w",encoding="utf-8",newline="").write(text)
    nb=nbformat.reads(text,as_version=nbformat.NO_CONVERT)
    s=nbjson.JSONWriter().writes(nb)
    if not s.endswith("\n"): s+="\n"
    open(f"{out}/{name}.golden","w",encoding="utf-8",newline="").write(s)
