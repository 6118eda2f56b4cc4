/* vecna.h — vectors to vectors: everything in one include. Each header is its module's manual. */
#ifndef VECNA_H
#define VECNA_H

#include "vecna/adapt.h"
#include "vecna/base.h"
#include "vecna/choose.h"
#include "vecna/cluster.h"
#include "vecna/codec.h"
#include "vecna/eval.h"
#include "vecna/format.h"
#include "vecna/image.h"
#include "vecna/linalg.h"
#include "vecna/metric.h"
#include "vecna/model.h"
#include "vecna/plane.h"
#include "vecna/search.h"
#include "vecna/space.h"
#include "vecna/text.h"
#include "vecna/train.h"
#include "vecna/translate.h"
#include "vecna/wire.h"

#endif
