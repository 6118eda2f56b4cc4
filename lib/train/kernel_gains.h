/* (label - sigmoid(x)) * rate, for both x86 kernels, of as many numbers as a vector has: GAINS is the name
 * of the function, GAIN_VECTOR its type, G(op) an instruction's name, G_BITS(op) one's on integers,
 * G_ROUND(x) rounds and G_FLOATS(x) takes bits for floats. exp(-x) is 2^n times a polynomial on
 * [-ln2/2, ln2/2], with the coefficients of the Cephes expf; vni_sigmoid does the same one number at a
 * time. */

KERNEL static inline GAIN_VECTOR GAINS(GAIN_VECTOR x, GAIN_VECTOR label, GAIN_VECTOR rate) {
    const GAIN_VECTOR one = G(set1)(1.0f);
    GAIN_VECTOR n, r, p, power;
    x = G(min)(G(max)(x, G(set1)(-80.0f)), G(set1)(80.0f));
    x = G(sub)(G(setzero)(), x);
    n = G_ROUND(G(mul)(x, G(set1)(1.44269504089f)));
    r = G(fmadd)(n, G(set1)(-0.693359375f), x);
    r = G(fmadd)(n, G(set1)(2.12194440e-4f), r);
    p = G(fmadd)(G(set1)(1.9875691500e-4f), r, G(set1)(1.3981999507e-3f));
    p = G(fmadd)(p, r, G(set1)(8.3334519073e-3f));
    p = G(fmadd)(p, r, G(set1)(4.1665795894e-2f));
    p = G(fmadd)(p, r, G(set1)(1.6666665459e-1f));
    p = G(fmadd)(p, r, G(set1)(5.0000001201e-1f));
    p = G(fmadd)(G(mul)(p, r), r, G(add)(r, one));
    power = G_FLOATS(G_BITS(slli)(G_BITS(add)(G_WHOLE(n), G_BITS(set1)(127)), 23));
    p = G(div)(one, G(fmadd)(p, power, one));
    return G(mul)(G(sub)(label, p), rate);
}

#undef GAINS
#undef GAIN_VECTOR
#undef G
#undef G_BITS
#undef G_ROUND
#undef G_WHOLE
#undef G_FLOATS
